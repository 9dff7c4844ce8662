"""A folder of safetensors, read slice by slice."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - gives NumPy bfloat16, which safetensors asks it for
import numpy as np
from safetensors import SafetensorError, safe_open

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.names import Leaf
from lwm_trainer.convert.placement import Index

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
VISION = "model.vision_embed_tokens.weight"
IGNORED = "rotary_emb.inv_freq"
"""Old files hold the rotary frequencies too, which follow from config.json."""


class HuggingFace:
    """Opens all files, reads none; raises ConversionError for what cannot be opened."""

    def __init__(self, folder: Path) -> None:
        self._files = {file: _open(folder / file) for file in _files(folder)}
        self._where = {name: folder / file for file, opened in self._files.items() for name in opened.keys()}  # noqa: SIM118
        self._folder = folder

    @property
    def vision_vocab_size(self) -> int | None:
        return self._shape(VISION)[0] if VISION in self._where else None

    def check(self, leaves: list[Leaf], tied: bool) -> int:
        """Compare names and shapes with the model's before anything is read; the bytes to read. Raises ConversionError."""
        wanted = {leaf.name(layer): leaf.their_shape for leaf in leaves for layer in range(leaf.layers or 1)}
        for name, shape in wanted.items():
            if name not in self._where:
                raise ConversionError(f"{self._folder}: no file has tensor {name}: is every shard there, does config.json belong to it?")
            if self._shape(name) != shape:
                raise ConversionError(
                    f"{self._where[name]}: tensor {name} is {self._shape(name)}, but config.json makes it {shape}: "
                    "take the config.json that belongs to these files"
                )
        known = {*wanted, "lm_head.weight"} if tied else {*wanted}
        if extra := sorted(name for name in self._where if name not in known and not name.endswith(IGNORED)):
            raise ConversionError(
                f"{self._where[extra[0]]}: tensor {extra[0]} and {len(extra) - 1} more have no place in this model: "
                "does config.json say too few layers, or are there biases or adapters? Merge or remove them"
            )
        return sum(int(np.prod(shape)) * self._width(name) for name, shape in wanted.items())

    def read(self, leaf: Leaf, layer: int, index: Index) -> np.ndarray[Any, Any]:
        found = self._slice(leaf.name(layer))
        if not leaf.kernel:
            return np.asarray(found[index])
        sides = index[: leaf.inputs], index[leaf.inputs :]
        sizes = leaf.shape[: leaf.inputs], leaf.shape[leaf.inputs :]
        (rows, row_shape), (columns, column_shape) = (_flat(*each) for each in zip(sides, sizes, strict=True))
        ours: np.ndarray[Any, Any] = found[columns, rows].T.reshape(*row_shape, *column_shape)
        whole = [slice(None) for _ in leaf.shape]
        for axis in (leaf.inputs - 1, len(leaf.shape) - 1):
            if axis not in (0, leaf.inputs):  # a head's channels were read whole
                whole[axis] = index[axis]
        return ours[tuple(whole)]

    def _slice(self, name: str) -> Any:
        return self._files[self._where[name].name].get_slice(name)

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._slice(name).get_shape())

    def _width(self, name: str) -> int:
        kind = str(self._slice(name).get_dtype())
        if kind not in ("F32", "BF16", "F16"):
            raise ConversionError(
                f"{self._where[name]}: tensor {name} is {kind}: only F32, BF16 and F16 can be converted, not quantized ones"
            )
        return 4 if kind == "F32" else 2


def _flat(index: Index, sizes: tuple[int, ...]) -> tuple[slice, tuple[int, ...]]:
    """The slice of the flattened axes, whole along the second, and its shape before flattening."""
    first = index[0]
    inner = sizes[1:]
    step = inner[0] if inner else 1
    return slice(first.start * step, first.stop * step), (first.stop - first.start, *inner)


def _files(folder: Path) -> list[str]:
    if (folder / SINGLE).exists():
        return [SINGLE]
    file = folder / INDEX
    try:
        files: list[str] = sorted(set(json.loads(file.read_bytes())["weight_map"].values()))
    except OSError as error:
        raise ConversionError(f"{folder}: has neither {SINGLE} nor {INDEX}: give the folder of a model in safetensors") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise ConversionError(f"{file}: has no weight_map: download it again") from error
    if outside := [name for name in files if Path(name).name != name]:
        raise ConversionError(f"{file}: weight_map names {outside[0]}, which lies outside the folder: take the model's own index")
    return files


def _open(file: Path) -> Any:
    try:
        return safe_open(file, "np")
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror or 'not found'}: download this shard") from error
    except SafetensorError as error:
        raise ConversionError(f"{file}: truncated or no safetensors file ({error}): download it again") from error
