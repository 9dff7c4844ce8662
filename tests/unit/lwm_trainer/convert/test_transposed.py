"""Transposing in blocks gives what NumPy gives."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lwm_trainer.convert import transposed


def _heads(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return rows.T.reshape(rows.shape[1], -1, 5)  # (D, H, C) of (H x C, D)


@pytest.mark.parametrize("columns", [1, 7, 512])
@pytest.mark.parametrize("bytes_at_once", [1, 100, 2**20])
@pytest.mark.parametrize(
    "view", [lambda a: a, lambda a: a.T, _heads, lambda a: _heads(a).transpose(1, 2, 0), lambda a: a[:, 0], lambda a: a[:0]]
)
def test_in_blocks_of_any_size_it_is_the_same(view: Any, bytes_at_once: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transposed, "BLOCK_BYTES", bytes_at_once)
    monkeypatch.setattr(transposed, "BLOCK_COLUMNS", columns)
    source = view(np.random.default_rng(0).standard_normal((35, 12), np.float32))
    for kind in (np.float32, ml_dtypes.bfloat16):
        out = np.empty(source.shape, kind)
        transposed.copy_transposed(out, source)
        np.testing.assert_array_equal(out, source.astype(kind))


def every_kind_of_float32() -> np.ndarray[Any, Any]:
    """Numbers half way between two of bfloat16, subnormal ones, the largest, and both zeros."""
    random = np.random.default_rng(0).integers(0, 2**32, 100_000, dtype=np.uint32)
    near_ties = (random & 0xFFFF0000) | (0x8000 + (random % 3)).astype(np.uint32) - 1
    special = np.array([0.0, -0.0, np.inf, -np.inf, 3.4028235e38, 1e-45], np.float32)
    bits = np.concatenate([random, near_ties, special.view(np.uint32)])
    return bits.view(np.float32)


@pytest.mark.parametrize("nan", [False, True])
def test_casts_are_those_of_numpy_bit_for_bit(nan: bool) -> None:
    wide = every_kind_of_float32()
    wide = wide if nan else wide[~np.isnan(wide)]
    narrow = np.arange(2**16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        for x, dtype in ((wide, np.dtype(ml_dtypes.bfloat16)), (narrow[np.isnan(narrow) <= nan], np.dtype(np.float32))):
            np.testing.assert_array_equal(transposed.cast(x, dtype).view(np.uint8), x.astype(dtype).view(np.uint8))


def test_a_value_that_is_not_finite_is_seen_in_both_types() -> None:
    for kind in (np.float32, ml_dtypes.bfloat16):
        finite = np.array([0.0, -3.0e38, 3.0e38, 1e-40], np.float32).astype(kind)
        assert transposed.all_finite(finite)
        assert transposed.all_finite(finite[:0])
        for value in (np.nan, -np.nan, np.inf, -np.inf):
            assert not transposed.all_finite(np.append(finite, np.array(value, kind)))
