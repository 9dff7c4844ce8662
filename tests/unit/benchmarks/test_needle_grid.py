"""The operations of a grid of needles."""

import pytest

from benchmarks.needle_grid import DEPTHS, GRID, LWM_7B, grid_flops, prefill_flops
from lwm_trainer.fit.estimate.flops import parameter_counts, step_flops
from support.builders import a_run


def test_a_prefill_is_a_third_of_a_training_step_without_its_head() -> None:
    run = a_run()
    head = 6 * run.batch_tokens * parameter_counts(run.model).head
    rows = run.rows * prefill_flops(run.model, run.context_length)
    assert 3 * rows == pytest.approx(step_flops(run).model - head, rel=0.02)


def test_a_prefill_in_two_parts_has_the_operations_of_one() -> None:
    assert prefill_flops(LWM_7B, 300) + prefill_flops(LWM_7B, 700, 300) == prefill_flops(LWM_7B, 1000)


def test_a_shared_prefix_saves_almost_all_depths_but_one() -> None:
    alone, shared = (grid_flops(LWM_7B, GRID, DEPTHS, shared=shared) for shared in (False, True))
    assert 0.99 * DEPTHS < alone / shared < DEPTHS
