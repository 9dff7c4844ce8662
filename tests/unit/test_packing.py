"""Packing: each token once an epoch, rows never overfull, and a plan that needs no history."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.data.packing import Plan, best_fit, cut

lengths = st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=30).filter(any)


def offsets_of(sizes: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@given(sizes=lengths, length=st.integers(min_value=1, max_value=17), epoch=st.integers(min_value=0, max_value=3))
def test_every_token_stands_once_in_an_epoch(sizes: list[int], length: int, epoch: int) -> None:
    plan = Plan(offsets_of(sizes), length, 7)
    seen: Counter[int] = Counter()
    for row in range(epoch * plan.rows, (epoch + 1) * plan.rows):
        pieces = plan.row(row)
        assert 0 < sum(piece.end - piece.begin for piece in pieces) <= length
        for piece in pieces:
            seen.update(range(piece.begin, piece.end))
    assert seen == Counter(range(sum(sizes)))


@given(sizes=lengths, length=st.integers(min_value=1, max_value=17))
def test_a_piece_is_last_exactly_where_its_document_ends(sizes: list[int], length: int) -> None:
    offsets = offsets_of(sizes)
    begins, ends, last = cut(offsets, length)
    assert sorted(ends[last]) == sorted(offset for offset, size in zip(offsets[1:], sizes, strict=True) if size)
    assert all(end - begin == length for begin, end in zip(begins[~last], ends[~last], strict=True))
    documents = np.searchsorted(offsets, begins, side="right"), np.searchsorted(offsets, ends - 1, side="right")
    assert np.array_equal(*documents)


def test_best_fit_puts_each_piece_where_it_leaves_the_least_room() -> None:
    rows = best_fit(np.array([10, 7, 6, 4, 3, 3]), 10)
    assert rows.tolist() == [0, 1, 2, 2, 1, 3]


def test_epochs_have_another_order_and_a_fresh_plan_gives_the_same_rows() -> None:
    sizes = [5, 5, 5, 9, 9, 30, 64]
    plan = Plan(offsets_of(sizes), 16, 1, 2)
    first, second = ([plan.row(row) for row in range(epoch * plan.rows, (epoch + 1) * plan.rows)] for epoch in (0, 1))
    assert first != second
    fresh = Plan(offsets_of(sizes), 16, 1, 2)
    assert [fresh.row(plan.rows + row) for row in reversed(range(plan.rows))] == second[::-1]
    assert [Plan(offsets_of(sizes), 16, 1, 3).row(row) for row in range(plan.rows)] != first


@pytest.mark.parametrize(("sizes", "fill"), [([16, 32], 1.0), ([8], 0.5), ([15, 1, 12, 4], 1.0)])
def test_fill(sizes: list[int], fill: float) -> None:
    assert Plan(offsets_of(sizes), 16, 0).fill == fill
