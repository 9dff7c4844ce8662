"""Where arrays lie in a file of LWM's StreamingCheckpointer: a stream of (key path, array as Flax serialises it), unpacked nowhere.

Only headers are read; an array's bytes stay in the memory map until a slice is asked for. No pickle is ever loaded.
"""

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401 - gives NumPy bfloat16
import msgpack
import numpy as np

from lwm_trainer.convert.errors import ConversionError

DTYPES = ("float32", "float16", "bfloat16")
CHUNKED = "__msgpack_chunked_array__"
"""Flax cuts an array above 1 GiB into flat chunks in a map with this key."""
ARRAY_CODE = 1
"""Flax's extension type of an array; its content is packed (shape, name of dtype, bytes)."""

_SIZED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
"""bin, str, ext: bytes of the length that follows the type."""


class _Body(NamedTuple):
    """Bytes start to stop of the file; `code` of an extension."""

    start: int
    stop: int
    code: int | None


@dataclass(frozen=True, slots=True)
class Tensor:
    shape: tuple[int, ...]
    pieces: tuple[np.ndarray[Any, Any], ...]
    """Flat, one behind the other."""

    def layer(self, number: int | None) -> np.ndarray[Any, Any]:
        """Entry `number` of the first axis, None: all of it. No more than that is copied out of the map."""
        shape = self.shape if number is None else self.shape[1:]
        size = int(np.prod(shape))
        start, found = (number or 0) * size, []
        stop, at = start + size, 0
        for piece in self.pieces:
            found.append(piece[max(start - at, 0) : max(stop - at, 0)])
            at += piece.size
        parts = [part for part in found if part.size]
        return (parts[0] if len(parts) == 1 else np.concatenate(parts)).reshape(shape)


class Stream:
    """All arrays of a file by key path. Raises ConversionError with the place where the stream is broken."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            with file.open("rb") as opened:
                self._bytes = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ConversionError(f"{file}: {error}: give a file that LWM's StreamingCheckpointer wrote") from error
        self.places: dict[tuple[str, ...], _Body] = {}
        at = 0
        while at < len(self._bytes):
            if self._bytes[at] != 0x92:
                raise self._broken(at, "a pair of key path and array should begin here")
            key, after = self._small(at + 1)
            self.places[tuple(map(str, key))] = body = self._body(after)
            at = body.stop

    def tensor(self, key: tuple[str, ...]) -> Tensor:
        """The array under this key path."""
        place = self.places[key]
        if self._bytes[place.start] >> 4 != 0x8:
            piece, shape = self._array(place.start, key)
            return Tensor(shape, (piece,))
        shape, pieces, at = (), [], place.start + 1
        for _ in range(self._bytes[place.start] & 0xF):
            name, at = self._small(at)
            if name == "chunks":
                count, at = self._map(at)
                for _ in range(count):
                    _, at = self._small(at)
                    piece, _ = self._array(at, key)
                    pieces.append(piece)
                    at = self._body(at).stop
            else:
                value, at = self._small(at)
                shape = tuple(value[str(axis)] for axis in range(len(value))) if name == "shape" else shape
        return Tensor(shape, tuple(pieces))

    def _array(self, at: int, key: tuple[str, ...]) -> tuple[np.ndarray[Any, Any], tuple[int, ...]]:
        outer = self._body(at)
        if outer.code != ARRAY_CODE:
            raise self._broken(at, f"{'/'.join(key)} is no array")
        shape, at = self._small(outer.start + 1)
        name, at = self._small(at)
        if name not in DTYPES:
            raise ConversionError(f"{self._file}: {'/'.join(key)} is {name}: only {', '.join(DTYPES)} can be converted")
        body, dtype = self._body(at), np.dtype(name)
        if body.stop - body.start != int(np.prod(shape)) * dtype.itemsize:
            raise self._broken(at, f"{'/'.join(key)} has not the bytes of its shape {tuple(shape)}")
        return np.frombuffer(self._bytes, dtype, int(np.prod(shape)), body.start), tuple(shape)

    def _body(self, at: int) -> _Body:
        """Of the bytes or the extension at `at`."""
        kind = self._bytes[at] if at < len(self._bytes) else None
        if kind not in _SIZED:
            if kind is not None and 0xD4 <= kind <= 0xD8:
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
        """A key path, name or shape, and where it ends."""
        unpacker = msgpack.Unpacker(max_buffer_size=4096)
        unpacker.feed(self._bytes[at : at + 4096])
        try:
            return unpacker.unpack(), at + unpacker.tell()
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            raise self._broken(at, f"{type(error).__name__}: a key path, name or shape should begin here") from error

    def _map(self, at: int) -> tuple[int, int]:
        kind = self._bytes[at]
        if kind >> 4 == 0x8:
            return kind & 0xF, at + 1
        if kind == 0xDE:
            return int.from_bytes(self._bytes[at + 1 : at + 3], "big"), at + 3
        raise self._broken(at, "a map of chunks should begin here")

    def _broken(self, at: int, why: str) -> ConversionError:
        return ConversionError(f"{self._file}: broken at byte {at} of {len(self._bytes)}: {why}: download it again")
