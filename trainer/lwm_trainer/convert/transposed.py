"""Copying large arrays between axis orders and dtypes at the speed of the cache."""

import math
from itertools import product
from typing import Any

import ml_dtypes
import numpy as np

BLOCK_BYTES, BLOCK_COLUMNS = 2**19, 512
"""Bytes of the source that are copied at once, and their extent along its rows: they stay in a core's cache, which NumPy's own copy misses
at every element."""

PADDING = 32
"""Elements by which rows of the buffer are longer than those of the source."""

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT32 = np.dtype(np.float32)


def copy_transposed(out: np.ndarray[Any, Any], source: np.ndarray[Any, Any]) -> None:
    """`out[...] = source`, cast to the dtype of `out`, in blocks of a source whose axes may be a permuted view.

    About ten times as fast as NumPy for a bfloat16 matrix of a 7B model. Bits are moved as integers, for which NumPy lets other threads
    run, and by a buffer with longer rows: at rows of a power of two bytes, a column would lie in a few lines of the cache.
    """
    if source.ndim < 2 or source.size == 0:
        _bits(out)[...] = _bits(cast(source, out.dtype))
        return
    order = np.argsort(source.strides, kind="stable")[::-1]
    source, target = source.transpose(order), _bits(out).transpose(order)
    rows, *middle, columns = source.shape
    width = min(columns, BLOCK_COLUMNS)
    height = min(rows, max(1, BLOCK_BYTES // (math.prod(middle) * width * source.itemsize)))
    buffer = np.empty((height, *middle, width + PADDING), target.dtype)
    for row, column in product(range(0, rows, height), range(0, columns, width)):
        block = (slice(row, row + height), ..., slice(column, column + width))
        bits = _bits(cast(source[block], out.dtype))
        part = buffer[: bits.shape[0], ..., : bits.shape[-1]]
        part[...] = bits
        target[block] = part


def cast(x: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """`x.astype(dtype)`, several times as fast between float32 and bfloat16, whose bits are the upper half of a float32's."""
    if x.dtype == dtype:
        return x
    if (x.dtype, dtype) == (BFLOAT16, FLOAT32):
        wide: np.ndarray[Any, Any] = np.left_shift(x.view(np.uint16), 16, dtype=np.uint32).view(FLOAT32)
        return wide
    if (x.dtype, dtype) == (FLOAT32, BFLOAT16) and not np.isnan(x).any():  # rounding could carry a NaN into another number
        bits = x.view(np.uint32)
        even = np.right_shift(bits, 16)
        even &= 1
        even += 0x7FFF
        even += bits
        narrow: np.ndarray[Any, Any] = np.right_shift(even, 16).astype(np.uint16).view(BFLOAT16)
        return narrow
    return x.astype(dtype)


def all_finite(x: np.ndarray[Any, Any]) -> bool:
    """Whether no value is NaN or infinite."""
    if x.dtype == BFLOAT16:  # without the sign, the exponent of those has all bits
        return x.size == 0 or bool((x.view(np.uint16) << 1).max() < 0xFF00)
    return bool(np.isfinite(x).all())


def _bits(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same memory as unsigned integers."""
    return x.view(f"u{x.itemsize}")
