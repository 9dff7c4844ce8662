"""Memory-maps a file of LWM's StreamingCheckpointer: a msgpack stream of pairs of key path and array as Flax serializes it.

Only headers are parsed; the bytes of an array stay in the memory map until a slice is asked for. No pickle is ever loaded.
"""

import math
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy
import msgpack
import numpy as np

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.file_format import detect_format, read_head

DTYPES = ("float32", "float16", "bfloat16")
CHUNKED = "__msgpack_chunked_array__"
"""Flax writes an array above 1 GiB as a map with this key, which holds flat chunks."""
PAIR = b"\x92"
"""msgpack's list of two, with which every entry of the stream begins."""
ARRAY_CODE = 1
"""Flax's msgpack extension type of an array; its content is the packed tuple (shape, name of dtype, bytes)."""

_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""msgpack types bin, str and ext: the number of bytes of the length that follows the type."""


class _Body(NamedTuple):
    """Bytes `start` to `stop` (exclusive) of the file; `code` is the type of an extension."""

    start: int
    stop: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array in the memory map."""

    shape: tuple[int, ...]
    chunks: tuple[np.ndarray[Any, Any], ...]
    """Flat and consecutive."""

    def layer(self, number: int | None) -> np.ndarray[Any, Any]:
        """Entry `number` of the first axis; None: the whole array. Nothing else is copied out of the map."""
        shape = self.shape if number is None else self.shape[1:]
        size = int(np.prod(shape))
        start = (number or 0) * size
        stop, offset = start + size, 0
        slices = []
        for chunk in self.chunks:
            slices.append(chunk[max(start - offset, 0) : max(stop - offset, 0)])
            offset += chunk.size
        parts = [part for part in slices if part.size]
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(shape)


class Stream:
    """The arrays of a file by key path."""

    def __init__(self, file: Path) -> None:
        """Map the file and find its arrays. Raises ConversionError with the byte at which the stream is broken."""
        self._file = file
        if file.is_dir():
            raise ConversionError(f"{file}: is a folder, not a file: name the file in it, or use `lwm convert from-hf` for a folder")
        try:
            head = read_head(file)
            if head[:1] != PAIR and (known := detect_format(head)) is not None:
                raise ConversionError(f"{file}: this is {known.name}: {known.fix}")
            with file.open("rb") as opened:
                self._bytes = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ConversionError(f"{file}: {error.strerror}: give a file that LWM's StreamingCheckpointer wrote") from error
        self.locations: dict[tuple[str, ...], _Body] = {}
        at = 0
        while at < len(self._bytes):
            if self._bytes[at] != PAIR[0]:
                raise self._broken(at, "a pair of key path and array should begin here")
            key, after = self._small(at + 1)
            if not isinstance(key, list) or not key:
                raise self._broken(at + 1, "a key path should begin here")
            self.locations[tuple(map(str, key))] = body = self._body(after)
            at = body.stop

    def tensor(self, key: tuple[str, ...]) -> Tensor:
        """The array under this key path."""
        location = self.locations[key]
        if self._bytes[location.start] >> 4 != 0x8:
            chunk, shape = self._array(location.start, key)
            return Tensor(shape, (chunk,))
        shape, chunks, at = (), [], location.start + 1
        for _ in range(self._bytes[location.start] & 0xF):
            name, at = self._small(at)
            if name == "chunks":
                count, at = self._map(at)
                for _ in range(count):
                    _, at = self._small(at)
                    chunk, _ = self._array(at, key)
                    chunks.append(chunk)
                    at = self._body(at).stop
            else:
                value, at = self._small(at)
                if name == "shape":  # a map from "0", "1", … to sizes
                    sizes = [value.get(str(axis)) for axis in range(len(value))] if isinstance(value, dict) else None
                    shape = self._shape(location.start, key, sizes)
        if sum(chunk.size for chunk in chunks) != math.prod(shape) or not chunks:
            raise self._broken(location.start, f"{'/'.join(key)} does not have the values of its shape {shape}")
        return Tensor(shape, tuple(chunks))

    def _array(self, at: int, key: tuple[str, ...]) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
        outer = self._body(at)
        if outer.code != ARRAY_CODE:
            raise self._broken(at, f"{'/'.join(key)} is not an array")
        sizes, at = self._small(outer.start + 1)
        shape = self._shape(outer.start, key, sizes)
        name, at = self._small(at)
        if name not in DTYPES:
            raise ConversionError(f"{self._file}: {'/'.join(key)} is {name}: only {', '.join(DTYPES)} can be converted")
        body, dtype = self._body(at), np.dtype(name)
        if body.stop - body.start != math.prod(shape) * dtype.itemsize:
            raise self._broken(at, f"{'/'.join(key)} does not have the bytes of its shape {shape}")
        return np.frombuffer(self._bytes, dtype, math.prod(shape), body.start), shape

    def _shape(self, at: int, key: tuple[str, ...], sizes: Any) -> tuple[int, ...]:
        if not isinstance(sizes, list) or not all(type(size) is int and size >= 0 for size in sizes):
            raise self._broken(at, f"{'/'.join(key)} has no shape")
        return tuple(sizes)

    def _body(self, at: int) -> _Body:
        """The body of the bytes or extension at `at`."""
        kind = self._bytes[at] if at < len(self._bytes) else None
        if kind not in _SIZED:
            if kind is not None and 0xD4 <= kind <= 0xD8 and at + 2 + (1 << (kind - 0xD4)) <= len(self._bytes):
                return _Body(at + 2, at + 2 + (1 << (kind - 0xD4)), self._bytes[at + 1])
            raise self._broken(at, "bytes should begin here")
        width = _SIZED[kind]
        length = int.from_bytes(self._bytes[at + 1 : at + 1 + width], "big")
        extension = kind in (0xC7, 0xC8, 0xC9)
        start = at + 1 + width + extension
        if start + length > len(self._bytes):
            raise self._broken(at, "the file ends before these bytes do")
        return _Body(start, start + length, self._bytes[start - 1] if extension else None)

    def _small(self, at: int) -> tuple[Any, int]:
        """Unpack a key path, name or shape at `at`; its value, and where it ends."""
        unpacker = msgpack.Unpacker(max_buffer_size=4096)
        unpacker.feed(self._bytes[at : at + 4096])
        try:
            return unpacker.unpack(), at + unpacker.tell()
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            raise self._broken(at, f"{type(error).__name__}: a key path, name or shape should begin here") from error

    def _map(self, at: int) -> tuple[int, int]:
        """The number of entries of the map at `at`, and where the first begins."""
        kind = self._bytes[at]
        if kind >> 4 == 0x8:
            return kind & 0xF, at + 1
        if kind == 0xDE:
            return int.from_bytes(self._bytes[at + 1 : at + 3], "big"), at + 3
        raise self._broken(at, "a map of chunks should begin here")

    def _broken(self, at: int, problem: str) -> ConversionError:
        return ConversionError(f"{self._file}: broken at byte {at} of {len(self._bytes)}: {problem}: download it again")
