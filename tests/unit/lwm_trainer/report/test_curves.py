"""Where points come to lie."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.report.curves import BOTTOM, HEIGHT, LEFT, MOST_POINTS, RIGHT, TOP, WIDTH, loss_curve, nice_ticks, position_curve


def places(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, _, y in (pair.partition(",") for pair in points.split())]


def test_stages_follow_each_other_and_a_lower_loss_lies_lower() -> None:
    curve = loss_curve([("short", [4.0, 3.0]), ("longer", [2.0, 1.0])])
    assert curve is not None
    (first, second) = (places(series.points) for series in curve.series)
    xs, ys = zip(*first, *second, strict=True)
    assert list(xs) == sorted(xs)
    assert list(ys) == sorted(ys)
    assert (xs[0], xs[-1]) == (LEFT, WIDTH - RIGHT)
    assert (ys[0], ys[-1]) == (TOP, HEIGHT - BOTTOM)
    assert [series.name for series in curve.series] == ["short", "longer"]
    assert curve.note == ""


def test_many_steps_are_means_and_say_so_and_losses_that_are_not_finite_have_no_point() -> None:
    curve = loss_curve([("long", [float(step) for step in range(6000)])])
    assert curve is not None
    assert len(places(curve.series[0].points)) == MOST_POINTS
    assert curve.note == "Each point is the mean of 10 steps."
    gap = loss_curve([("a", [1.0, math.nan, 3.0])])
    assert gap is not None
    assert len(places(gap.series[0].points)) == 2
    assert loss_curve([("a", []), ("b", [math.nan])]) is None
    assert position_curve([]) is None


def test_positions_are_logarithmic_and_their_interval_is_a_band_around_the_curve() -> None:
    curve = position_curve([(1.0, 3.0, 2.0, 4.0), (4.0, 3.0, 2.5, 3.5), (16.0, 3.0, 2.9, 3.1)])
    assert curve is not None
    (left, middle, right) = places(curve.series[0].points)
    assert middle[0] - left[0] == pytest.approx(right[0] - middle[0], abs=0.11)
    assert [tick.text for tick in curve.x_ticks] == ["1", "2", "4", "8", "16"]
    assert len(places(curve.bands[0])) == 6


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ticks_are_few_round_numbers_around_the_values(one: float, other: float) -> None:
    low, high = sorted((one, other))
    if 0 < high - low < 1e-6:
        return
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert 2 <= len(ticks) <= 10
