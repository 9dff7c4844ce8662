"""Packing: each token once an epoch, rows never overfull, and a plan that needs no history."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lwm_trainer.data.rows.packing import PackingPlan, best_fit, bucket_bounds
from lwm_trainer.data.rows.selection import split_documents

lengths = st.lists(st.integers(min_value=0, max_value=40), min_size=1, max_size=30).filter(any)


def offsets_of(sizes: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def plan_of(sizes: list[int], length: int, *name: int, bucketed: bool = False) -> PackingPlan:
    offsets = offsets_of(sizes)
    return PackingPlan(split_documents(offsets[:-1], offsets[1:], length), length, *name, bucketed=bucketed)


def rows_of(plan: PackingPlan, epoch: int) -> list[list[tuple[int, int, bool]]]:
    rows = (plan.row(epoch, index) for index in range(plan.rows))
    return [list(zip(*(array.tolist() for array in row), strict=True)) for row in rows]


@given(sizes=lengths, length=st.integers(min_value=1, max_value=17), epoch=st.integers(min_value=0, max_value=3), bucketed=st.booleans())
def test_every_token_stands_once_in_an_epoch(sizes: list[int], length: int, epoch: int, bucketed: bool) -> None:
    seen: Counter[int] = Counter()
    for row in rows_of(plan_of(sizes, length, 7, bucketed=bucketed), epoch):
        assert 0 < sum(end - begin for begin, end, _ in row) <= length
        for begin, end, _ in row:
            seen.update(range(begin, end))
    assert seen == Counter(range(sum(sizes)))


@given(sizes=lengths, length=st.integers(min_value=1, max_value=17))
def test_a_piece_is_last_exactly_where_its_document_ends(sizes: list[int], length: int) -> None:
    offsets = offsets_of(sizes)
    begins, ends, last = split_documents(offsets[:-1], offsets[1:], length)
    assert sorted(ends[last]) == sorted(offset for offset, size in zip(offsets[1:], sizes, strict=True) if size)
    assert all(end - begin == length for begin, end in zip(begins[~last], ends[~last], strict=True))
    documents = np.searchsorted(offsets, begins, side="right"), np.searchsorted(offsets, ends - 1, side="right")
    assert np.array_equal(*documents)


@given(sizes=lengths, epoch=st.integers(min_value=0, max_value=2))
def test_a_bucketed_row_holds_pieces_of_one_power_of_two(sizes: list[int], epoch: int) -> None:
    for row in rows_of(plan_of(sizes, 16, 7, bucketed=True), epoch):
        assert len({(end - begin).bit_length() for begin, end, _ in row}) == 1


def one_by_one(sizes: list[int], length: int, classes: bool) -> list[int]:
    """Best fit as it is defined: each piece into the fullest row that has room, the youngest of equals; a class has rows of its own."""
    room: list[int] = []
    ages: list[int] = []
    result = []
    for number, size in enumerate(sizes):
        if classes and number and size.bit_length() != sizes[number - 1].bit_length():
            room = [0] * len(room)
        fits = [(free, -ages[row], row) for row, free in enumerate(room) if free >= size]
        row = min(fits)[2] if fits else len(room)
        if not fits:
            room.append(length)
            ages.append(0)
        room[row] -= size
        ages[row] = number
        result.append(row)
    return result


@given(sizes=st.lists(st.integers(min_value=1, max_value=33), max_size=120), classes=st.booleans())
def test_placing_equal_lengths_together_is_placing_them_one_by_one(sizes: list[int], classes: bool) -> None:
    longest_first = np.array(sorted(sizes, reverse=True), np.int64)
    bounds = bucket_bounds(longest_first) if classes else ()
    assert best_fit(longest_first, 33, bounds).tolist() == one_by_one(longest_first.tolist(), 33, classes)


def test_best_fit_puts_each_piece_where_it_leaves_the_least_room() -> None:
    rows = best_fit(np.array([10, 7, 6, 4, 3, 3]), 10)
    assert rows.tolist() == [0, 1, 2, 2, 1, 3]


def test_epochs_have_another_order_and_a_fresh_plan_gives_the_same_rows() -> None:
    sizes = [5, 5, 5, 9, 9, 30, 64]
    plan = plan_of(sizes, 16, 1, 2)
    first, second = (rows_of(plan, epoch) for epoch in (0, 1))
    assert first != second
    assert rows_of(plan_of(sizes, 16, 1, 2), 1) == second
    assert rows_of(plan_of(sizes, 16, 1, 3), 0) != first


@pytest.mark.parametrize(("sizes", "fill"), [([16, 32], 1.0), ([8], 0.5), ([15, 1, 12, 4], 1.0)])
def test_fill(sizes: list[int], fill: float) -> None:
    assert plan_of(sizes, 16, 0).fill == fill
