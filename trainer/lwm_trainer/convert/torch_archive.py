"""Reads tensors from a zip archive that `torch.save` wrote, without torch: no code of the file runs.

The archive holds a pickle, `data.pkl`, and a file for each storage, `data/<key>`. Whatever the pickle names beside tensors, such as a
trainer's settings, becomes a mark of type `Unread`. A tensor's values are read when they are asked for.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from lwm_trainer.convert.errors import ConversionError

FIX = "download it again, or save its tensors as safetensors"
_DTYPES: dict[str, Any] = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "BFloat16Storage": ml_dtypes.bfloat16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class Unread:
    """An object of the pickle that is no tensor; its class was not looked up."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> "Unread":
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...

    def add(self, value: Any) -> None: ...


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: Any


@dataclass(frozen=True)
class TorchTensor:
    """Where a tensor lies in the archive."""

    archive: "TorchArchive"
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """Elements between neighbours along each axis."""

    def read(self) -> NDArray[Any]:
        """The values. Raises ValueError for a storage that is missing or too short."""
        flat = self.archive.storage_values(self.storage)
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if min(self.offset, *self.shape, *self.strides, 0) < 0 or (0 not in self.shape and last >= len(flat)):
            raise ValueError(f"storage {self.storage.key} has {len(flat)} elements, which are too few for a tensor of {self.shape}")
        strides = tuple(stride * flat.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides, writeable=False)


class TorchArchive:
    """An open archive."""

    def __init__(self, file: Path) -> None:
        """Open it and read its pickle. Raises ConversionError for a file that is no such archive, or is damaged."""
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
            pickles = [name for name in self._zip.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
            if len(pickles) != 1:
                raise ValueError("it has no data.pkl")
            self._folder = pickles[0].removesuffix("data.pkl")
            order = f"{self._folder}byteorder"
            if order in self._zip.namelist() and self._zip.read(order) != b"little":
                raise ValueError("its numbers are not little-endian")
            with self._zip.open(pickles[0]) as opened:
                self.content: Any = _Unpickler(opened, self).load()
        except OSError as error:
            raise ConversionError(f"{file}: {error.strerror}: give the file of the weights") from error
        except Exception as error:  # what a damaged pickle raises has no common class
            raise ConversionError(f"{file}: no archive of torch.save, or a damaged one ({error}): {FIX}") from error

    def storage_values(self, storage: _Storage) -> NDArray[Any]:
        """All values of a storage, flat."""
        name = f"{self._folder}data/{storage.key}"
        try:
            return np.frombuffer(self._zip.read(name), storage.dtype)
        except (KeyError, zipfile.BadZipFile) as error:
            raise ValueError(f"{name} is missing or damaged") from error

    def tensors(self, *keys: str) -> dict[str, TorchTensor]:
        """The tensors below the first of these keys that the content has; its other entries are left out.

        Raises ConversionError where it has none of them.
        """
        chosen = next((key for key in keys if isinstance(self.content, Mapping) and isinstance(self.content.get(key), Mapping)), None)
        if chosen is None:
            raise ConversionError(f"{self._file}: has no {' or '.join(keys)} with tensors: give the checkpoint as it was published")
        return {str(name): value for name, value in self.content[chosen].items() if isinstance(value, TorchTensor)}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: TorchArchive) -> None:
        super().__init__(file)
        self._archive = archive

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        return name if module == "torch" and name in _DTYPES else Unread

    def persistent_load(self, identity: Any) -> Any:
        kind, storage, key, *_ = identity
        if kind != "storage" or storage not in _DTYPES:
            raise pickle.UnpicklingError(f"it holds a {kind} of an unknown type")
        return _Storage(str(key), np.dtype(_DTYPES[storage])), self._archive


def _tensor(stored: tuple[_Storage, TorchArchive], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> TorchTensor:
    storage, archive = stored
    return TorchTensor(archive, storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _parameter(tensor: TorchTensor, *_: Any) -> TorchTensor:
    return tensor


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("collections", "OrderedDict"): OrderedDict,
}
