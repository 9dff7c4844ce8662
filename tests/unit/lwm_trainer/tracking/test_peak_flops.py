"""Peaks by the names that devices have in JAX."""

import pytest

from lwm_trainer.tracking.peak_flops import peak_flops


@pytest.mark.parametrize(
    ("kind", "peak"),
    [("TPU v4", 2.75e14), ("TPU v5 lite", 1.97e14), ("TPU7x", 2.307e15 / 2), ("NVIDIA H100 80GB HBM3", 9.895e14), ("cpu", None)],
)
def test_the_peak_is_that_of_one_jax_device(kind: str, peak: float | None) -> None:
    assert peak_flops(kind) == peak
