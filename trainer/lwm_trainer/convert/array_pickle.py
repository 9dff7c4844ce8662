"""Loads a pickle of nested dicts of NumPy arrays, and refuses every other object before it is made: a pickle can otherwise run any code."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.convert.errors import ConversionError


def _reconstruct(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    """An empty array, which the pickle fills. NumPy's own function would make any class."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("an array of another class than ndarray")
    return np.ndarray.__new__(np.ndarray, shape, code)


def _frombuffer(content: Any, dtype: Any, shape: Any, order: str) -> NDArray[Any]:
    """An array of protocol 5."""
    return np.frombuffer(content, dtype).reshape(shape, order=order)  # type: ignore[call-overload, no-any-return]


def _encode(text: str, encoding: str) -> bytes:
    """The bytes of an array in protocol 2, which has no type for them."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding}")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, and only arrays of NumPy are admitted")
        return _ADMITTED[module, name]


def load_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays by the keys that lead to them, joined by `/`.

    Raises ConversionError for a file that cannot be read, is no pickle, or holds anything but nested dicts of arrays of numbers.
    """
    try:
        with file.open("rb") as opened:
            content = _ArrayUnpickler(opened).load()
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the file of the weights") from error
    except Exception as error:  # what a damaged pickle raises has no common class
        raise ConversionError(f"{file}: no pickle of arrays ({error}): download it again, or export the weights to safetensors") from error
    return _flatten(file, "", content)


def _flatten(file: Path, prefix: str, content: Any) -> dict[str, NDArray[Any]]:
    if isinstance(content, np.ndarray):
        if content.dtype.kind not in "fiu":
            raise ConversionError(f"{file}: {prefix} is an array of {content.dtype}, not of numbers: export the weights to safetensors")
        return {prefix: content}
    if not isinstance(content, Mapping):
        raise ConversionError(f"{file}: {prefix or 'the content'} is {type(content).__name__}, not an array or a dict of them")
    arrays: dict[str, NDArray[Any]] = {}
    for key, value in content.items():
        arrays |= _flatten(file, f"{prefix}/{key}" if prefix else str(key), value)
    return arrays
