"""A whole step in bfloat16 on eight devices is as far from float32 as on one, and both differ by the rounding of their parts."""

from benchmarks.precision.step_errors import ALONE, TOGETHER, Case, distance, one_step
from lwm_trainer.config import Mesh

ROUNDING = 2.0**-8
"""Largest relative error of one rounding to bfloat16."""
SAME = 1e-3
"""Largest relative difference of two errors. Measured: 8e-5; 2e-3 where each sum over an axis is rounded to bfloat16."""


def test_the_error_of_a_step_does_not_depend_on_the_mesh() -> None:
    exact, alone, together = one_step(ALONE, "float32"), one_step(ALONE, "bfloat16"), one_step(TOGETHER, "bfloat16")
    error = distance(alone, exact, exact)
    assert ROUNDING < error < 0.05, "gradients in bfloat16 are not those in float32"
    assert distance(together, alone, exact) < ROUNDING
    assert abs(distance(together, exact, exact) / error - 1) < SAME


def test_a_mesh_of_tp_alone_computes_the_step_of_one_device() -> None:
    exact = one_step(ALONE, "float32")
    assert distance(one_step(Case(Mesh(tp=2)), "float32"), exact, exact) < 1e-5
