"""Transposing in stripes gives what NumPy gives."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from lwm_trainer.convert import transposed


def _heads(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return rows.T.reshape(rows.shape[1], -1, 5)  # (D, H, C) of (H x C, D)


@pytest.mark.parametrize("bytes_at_once", [1, 100, 2**20])
@pytest.mark.parametrize(
    "view", [lambda a: a, lambda a: a.T, _heads, lambda a: _heads(a).transpose(1, 2, 0), lambda a: a[:, 0], lambda a: a[:0]]
)
def test_in_stripes_of_any_size_it_is_the_same(view: Any, bytes_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transposed, "STRIPE_BYTES", bytes_at_once)
    source = view(np.random.default_rng(0).standard_normal((35, 12), np.float32))
    for kind in (np.float32, ml_dtypes.bfloat16):
        out = np.empty(source.shape, kind)
        transposed.copy_transposed(out, source)
        np.testing.assert_array_equal(out, source.astype(kind))
