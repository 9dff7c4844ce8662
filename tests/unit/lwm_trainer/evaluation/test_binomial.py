"""Intervals against published values and the equation that defines them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.evaluation.binomial import Z_95, wilson_interval


@given(st.integers(1, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_each_end_is_a_probability_from_which_the_share_is_just_z_deviations_away(counts: tuple[int, int]) -> None:
    successes, trials = counts
    for end in wilson_interval(successes, trials):
        if 0 < end < 1:
            assert abs(successes / trials - end) / math.sqrt(end * (1 - end) / trials) == pytest.approx(Z_95, rel=1e-6)


def test_known_values() -> None:
    assert wilson_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson_interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)


@pytest.mark.parametrize(("successes", "trials"), [(1, 0), (2, 1), (-1, 3)])
def test_counts_that_cannot_be_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match=f"{successes} successes in {trials} trials"):
        wilson_interval(successes, trials)
