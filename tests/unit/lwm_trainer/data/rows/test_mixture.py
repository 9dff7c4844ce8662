"""The mixture: shares in each batch and in the long run, dense numbering, and no dependence on history."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.data.rows.mixture import MIN_BLOCK_ROWS, Mixture


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=1, max_size=12), st.integers(min_value=1, max_value=300))
def test_a_block_is_full_and_no_data_set_is_left_out(weights: list[float], batch_rows: int) -> None:
    mixture = Mixture(weights, batch_rows, 0)
    assert mixture.counts.sum() == mixture.block_rows
    assert mixture.block_rows % batch_rows == 0
    assert mixture.counts.min() >= 1


@given(st.lists(st.floats(min_value=0.01, max_value=1), min_size=1, max_size=8), st.integers(min_value=1, max_value=64))
def test_every_batch_has_the_shares_of_the_weights_to_less_than_a_row(weights: list[float], batch_rows: int) -> None:
    mixture = Mixture(weights, batch_rows, 7)
    drawn = np.array([mixture.draw(row)[0] for row in range(mixture.block_rows)]).reshape(-1, batch_rows)
    for dataset, weight in enumerate(weights):
        in_batches, share = (drawn == dataset).sum(axis=1), weight / sum(weights)
        assert np.abs(in_batches - share * batch_rows).max() < 1 + 1e-6
        assert abs(in_batches.sum() - share * mixture.block_rows) < 1 + 1e-6


@pytest.mark.parametrize(("weights", "batch_rows"), [([1.0] * 4, 8), ([0.7, 0.3], 4), ([0.25, 0.25, 0.5], 4)])
def test_no_batch_of_the_recipe_lacks_a_task(weights: list[float], batch_rows: int) -> None:
    mixture = Mixture(weights, batch_rows, 3)
    for step in range(300):
        drawn = [mixture.draw(step * batch_rows + row)[0] for row in range(batch_rows)]
        assert set(drawn) == set(range(len(weights)))


@pytest.mark.parametrize(("weights", "counts"), [([1.0], [1024]), ([3.0, 1.0], [768, 256]), ([1.0, 1.0, 1.0], [342, 341, 341])])
def test_shares_follow_the_weights(weights: list[float], counts: list[int]) -> None:
    assert Mixture(weights, 4, 5).counts.tolist() == counts


@pytest.mark.parametrize("batch_rows", [1, 7])
def test_rows_of_each_data_set_are_numbered_without_gap_across_blocks(batch_rows: int) -> None:
    mixture = Mixture([2.0, 1.0, 0.5], batch_rows, 9)
    block = mixture.block_rows
    assert block >= MIN_BLOCK_ROWS
    drawn = [mixture.draw(row) for row in range(2 * block + 100)]
    for dataset in range(3):
        numbers = [number for result, number in drawn if result == dataset]
        assert numbers == list(range(len(numbers)))
    assert Mixture([2.0, 1.0, 0.5], batch_rows, 9).draw(block + 3) == drawn[block + 3]
    assert [dataset for dataset, _ in drawn[:block]] != [dataset for dataset, _ in drawn[block : 2 * block]]
