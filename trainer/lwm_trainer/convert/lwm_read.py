"""Reads checkpoint files of LWM, with stacked layers (`h/scan_decoder`) or without (`h/0`, `h/1`, …), with vision tables or without."""

from pathlib import Path
from typing import Any

import numpy as np

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.msgpack_map import Stream, Tensor
from lwm_trainer.convert.names import Parameter
from lwm_trainer.convert.placement import Index
from lwm_trainer.convert.transposed import BFLOAT16

ENDS = {
    "embedding": "transformer/wte/embedding",
    "norm.scale": "transformer/ln_f/kernel",
    "head": "lm_head/kernel",
    "vision_embedding": "transformer/vte/embedding",
    "vision_head": "vision_head/kernel",
}
LAYERS = {
    "attention.query": "attention/wq/kernel",
    "attention.key": "attention/wk/kernel",
    "attention.value": "attention/wv/kernel",
    "attention.output": "attention/wo/kernel",
    "attention_norm.scale": "attention_norm/kernel",
    "mlp_norm.scale": "ffn_norm/kernel",
    "mlp.gate": "feed_forward/w1/kernel",
    "mlp.up": "feed_forward/w3/kernel",
    "mlp.down": "feed_forward/w2/kernel",
}
STACKED = "transformer/h/scan_decoder/"


class LwmFile:
    """A `streaming_params` or `streaming_train_state` file; the optimizer state of the latter is not read."""

    def __init__(self, file: Path) -> None:
        self._file, self._stream = file, Stream(file)
        self._keys = {"/".join(_inner(key)): key for key in self._stream.locations if key[0] == "params"}
        self._stacked = any(name.startswith(STACKED) for name in self._keys)

    @property
    def vision_vocab_size(self) -> int | None:
        """Rows of the vision embedding; None when there is none."""
        name = ENDS["vision_embedding"]
        return self._tensor(name).shape[0] if name in self._keys else None

    @property
    def stored_type(self) -> config.NumberType:
        """The smallest type of parameters that holds all tensors as they are."""
        dtypes = {chunk.dtype for name in self._keys for chunk in self._tensor(name).chunks}
        return "bfloat16" if dtypes == {BFLOAT16} else "float32"

    def check(self, parameters: list[Parameter], tied: bool) -> int:
        """Compare names and shapes with those of the model; returns the bytes to read. Raises ConversionError."""
        known, size = {ENDS["head"]} if tied else set(), 0
        for parameter in parameters:
            for layer in range(1 if parameter.layers is None or self._stacked else parameter.layers):
                name = self._name(parameter, layer)
                known.add(name)
                if name not in self._keys:
                    raise ConversionError(f"{self._file}: has no {name}: is the file whole, does --config belong to it?")
                expected = _lwm_shape(parameter)
                expected = (parameter.layers, *expected) if parameter.layers is not None and self._stacked else expected
                tensor = self._tensor(name)
                if tensor.shape != expected:
                    raise ConversionError(
                        f"{self._file}: {name} is {tensor.shape}, but --config makes it {expected}: give the config that belongs to it"
                    )
                size += sum(chunk.nbytes for chunk in tensor.chunks)
        if extra := sorted(self._keys.keys() - known):
            raise ConversionError(
                f"{self._file}: {extra[0]} and {len(extra) - 1} more do not belong to this model: give the config that belongs to it"
            )
        return size

    def read(self, parameter: Parameter, layer: int, index: Index) -> np.ndarray[Any, Any]:
        """Read a part of a parameter, see `ParameterReader`."""
        tensor = self._tensor(self._name(parameter, layer))
        return tensor.layer(layer if parameter.layers is not None and self._stacked else None).reshape(parameter.shape)[index]

    def locate(self, parameter: Parameter, layer: int) -> str:
        """The file and tensor, see `ParameterReader`."""
        inside = f", layer {layer}" if parameter.layers is not None and self._stacked else ""
        return f"{self._file}: {self._name(parameter, layer)}{inside}"

    def _name(self, parameter: Parameter, layer: int) -> str:
        inner = ".".join(parameter.path[1:])
        if parameter.layers is None:
            return ENDS[inner]
        return (STACKED if self._stacked else f"transformer/h/{layer}/") + LAYERS[inner]

    def _tensor(self, name: str) -> Tensor:
        return self._stream.tensor(self._keys[name])


def _inner(key: tuple[str, ...]) -> tuple[str, ...]:
    """The key path without leading `params`."""
    while key[:1] == ("params",):
        key = key[1:]
    return key


def _lwm_shape(parameter: Parameter) -> tuple[int, ...]:
    """Shape of the LWM tensor of one layer: kernels are (in, out) as here, with heads and channels in one axis."""
    return parameter.hf_shape[::-1] if parameter.kernel else parameter.shape
