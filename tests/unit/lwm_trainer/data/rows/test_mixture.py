"""The mixture: shares, dense numbering, and no dependence on history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.data.rows.mixture import BLOCK, Mixture


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1, max_size=12))
def test_a_block_is_full_and_no_data_set_is_left_out(weights: list[float]) -> None:
    counts = Mixture(weights, 0).counts
    assert counts.sum() == BLOCK
    assert counts.min() >= 1


@pytest.mark.parametrize(("weights", "counts"), [([1.0], [1024]), ([3.0, 1.0], [768, 256]), ([1.0, 1.0, 1.0], [342, 341, 341])])
def test_shares_follow_the_weights(weights: list[float], counts: list[int]) -> None:
    assert Mixture(weights, 5).counts.tolist() == counts


def test_rows_of_each_data_set_are_numbered_without_gap_across_blocks() -> None:
    mixture = Mixture([2.0, 1.0, 0.5], 9)
    drawn = [mixture.draw(row) for row in range(2 * BLOCK + 100)]
    for dataset in range(3):
        numbers = [number for result, number in drawn if result == dataset]
        assert numbers == list(range(len(numbers)))
    assert Mixture([2.0, 1.0, 0.5], 9).draw(BLOCK + 3) == drawn[BLOCK + 3]
    assert [dataset for dataset, _ in drawn[:BLOCK]] != [dataset for dataset, _ in drawn[BLOCK : 2 * BLOCK]]
