"""LWM's own checkpoint files, layer-stacked (`h/scan_decoder`) or not (`h/0`, `h/1`, …), text only or with the vision tables."""

from pathlib import Path
from typing import Any

import numpy as np

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.msgpack_map import Stream, Tensor
from lwm_trainer.convert.names import Leaf
from lwm_trainer.convert.placement import Index

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


class Lwm:
    """A `streaming_params` or `streaming_train_state` file; of the latter the optimizer is left where it is."""

    def __init__(self, file: Path) -> None:
        self._file, self._stream = file, Stream(file)
        self._keys = {"/".join(_inner(key)): key for key in self._stream.places if key[0] == "params"}
        self._stacked = any(name.startswith(STACKED) for name in self._keys)

    @property
    def vision_vocab_size(self) -> int | None:
        name = ENDS["vision_embedding"]
        return self._tensor(name).shape[0] if name in self._keys else None

    def check(self, leaves: list[Leaf], tied: bool) -> int:
        """Compare names and shapes with the model's; the bytes to read. Raises ConversionError."""
        known, size = {ENDS["head"]} if tied else set(), 0
        for leaf in leaves:
            for layer in range(1 if leaf.layers is None or self._stacked else leaf.layers):
                name = self._name(leaf, layer)
                known.add(name)
                if name not in self._keys:
                    raise ConversionError(f"{self._file}: has no {name}: is the file whole, does --config belong to it?")
                wanted = _their_shape(leaf)
                wanted = (leaf.layers, *wanted) if leaf.layers is not None and self._stacked else wanted
                tensor = self._tensor(name)
                if tensor.shape != wanted:
                    raise ConversionError(
                        f"{self._file}: {name} is {tensor.shape}, but --config makes it {wanted}: give the config that belongs to it"
                    )
                size += sum(piece.nbytes for piece in tensor.pieces)
        if extra := sorted(self._keys.keys() - known):
            raise ConversionError(
                f"{self._file}: {extra[0]} and {len(extra) - 1} more have no place in this model: give the config that belongs to it"
            )
        return size

    def read(self, leaf: Leaf, layer: int, index: Index) -> np.ndarray[Any, Any]:
        tensor = self._tensor(self._name(leaf, layer))
        return tensor.layer(layer if leaf.layers is not None and self._stacked else None).reshape(leaf.shape)[index]

    def _name(self, leaf: Leaf, layer: int) -> str:
        inner = ".".join(leaf.path[1:])
        if leaf.layers is None:
            return ENDS[inner]
        return (STACKED if self._stacked else f"transformer/h/{layer}/") + LAYERS[inner]

    def _tensor(self, name: str) -> Tensor:
        return self._stream.tensor(self._keys[name])


def _inner(key: tuple[str, ...]) -> tuple[str, ...]:
    while key[0] == "params":
        key = key[1:]
    return key


def _their_shape(leaf: Leaf) -> tuple[int, ...]:
    """Kernels are (in, out) as ours, with heads and channels in one axis."""
    return leaf.their_shape[::-1] if leaf.kernel else leaf.shape
