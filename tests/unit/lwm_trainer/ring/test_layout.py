"""Layouts: every rank the same tokens, and on rows of documents nearly the same work, at every hop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.attention.document_mixes import MIXES, lognormal, row
from lwm_trainer.ring.chunks import cut_chunks, work_by_hop
from lwm_trainer.ring.layout import PAIRS_PER_TOKEN_HOP, plan_layout, ring_cost, zigzag
from lwm_trainer.ring.work_accounting import attention_work

Starts = np.ndarray[Any, np.dtype[np.int32]]
MILLION = 2**20


@st.composite
def rows(draw: st.DrawFn, length: int) -> Starts:
    """Documents of any lengths, then padding."""
    edges = sorted(draw(st.sets(st.integers(1, length - 1), max_size=12)))
    start = row(np.diff([0, *edges, length]).tolist())
    padding = draw(st.sampled_from([0, 0, 1, length // 2, length]))
    start[length - padding :] = np.arange(length - padding, length) + 1
    return start


def contiguous(length: int) -> Starts:
    return np.arange(length, dtype=np.int32)


def price(start: Starts, order: Starts, ring: int) -> float:
    """The planner's own cost, on the exact account."""
    return ring_cost(attention_work(start, order, ring).by_hop.astype(float), PAIRS_PER_TOKEN_HOP * len(start) / ring)


@given(st.integers(1, 16), st.integers(1, 8))
def test_every_place_is_held_once_ascending_and_the_causal_work_is_equal(ring: int, chunk: int) -> None:
    length = 2 * ring * chunk
    order = zigzag(length, ring)
    assert sorted(order) == list(range(length))
    ranks = order.reshape(ring, -1)
    assert np.all(np.diff(ranks, axis=1) > 0)
    work = (ranks + 1).sum(axis=1)
    assert work.max() == work.min()


def test_a_length_that_does_not_divide_is_refused_with_the_number_it_must_be_a_multiple_of() -> None:
    with pytest.raises(ValueError, match="100 is not a multiple of 2 x ring size = 16"):
        zigzag(100, 8)
    with pytest.raises(ValueError, match="100 is not a multiple of the ring size 8"):
        plan_layout(contiguous(100), 8)


@given(st.data(), st.sampled_from([(1, 7), (2, 24), (3, 48), (4, 2048), (8, 24), (8, 1024), (16, 6), (5, 1)]))
def test_a_plan_holds_every_place_once_ascending_and_costs_no_more_than_the_simple_layouts(
    data: st.DataObject, size: tuple[int, int]
) -> None:
    ring, held = size
    start = data.draw(rows(ring * held)) if ring * held > 1 else np.zeros(1, np.int32)
    order = plan_layout(start, ring)
    assert (order.dtype.name, order.shape) == ("int32", start.shape)
    assert np.array_equal(np.sort(order), contiguous(len(start)))
    assert np.all(np.diff(order.reshape(ring, held), axis=1) > 0)
    assert np.array_equal(order, plan_layout(start.copy(), ring)), "another host finds another layout"
    simple = [contiguous(len(start))] + ([zigzag(len(start), ring)] if held % 2 == 0 else [])
    assert price(start, order, ring) <= min(price(start, other, ring) for other in simple)


@given(st.data(), st.sampled_from([(4, 16, 3), (8, 8, 2), (2, 64, 4)]))
def test_the_work_of_chunks_is_the_exact_account(data: st.DataObject, size: tuple[int, int, int]) -> None:
    ring, chunk, held = size
    start = data.draw(rows(ring * chunk * held))
    ranks = np.array(data.draw(st.permutations(sorted(list(range(ring)) * held))), np.int64)
    order = contiguous(len(start)).reshape(-1, chunk)[np.argsort(ranks, kind="stable")].reshape(-1)
    np.testing.assert_array_equal(work_by_hop(cut_chunks(start, chunk), ranks, ring), attention_work(start, order, ring).by_hop)


def test_one_document_lies_in_zigzag_and_one_rank_holds_a_row_as_it_is() -> None:
    assert np.array_equal(plan_layout(np.zeros(4096, np.int32), 8), zigzag(4096, 8))
    assert np.array_equal(plan_layout(row([100, 156]), 1), contiguous(256))


@pytest.mark.parametrize("ring", [8, 16, 64])
@pytest.mark.parametrize("mix", MIXES)
def test_every_rank_has_the_same_work_at_a_million_tokens_and_nearly_so_at_every_hop(mix: str, ring: int) -> None:
    start = MIXES[mix](MILLION)
    result = attention_work(start, plan_layout(start, ring), ring, 256, 256)
    assert result.imbalance <= 1.05
    assert result.critical_path <= (1.10 if ring == 64 else 1.04)
    assert result.waste <= (1.13 if mix == "short" else 1.02)
    if mix == "short" or (mix == "sixteen" and ring <= 16):
        assert result.hops == 1, "documents that fit a rank stay on it"


@pytest.mark.parametrize("simple", [contiguous, lambda length: zigzag(length, 64)], ids=["contiguous", "zigzag"])
def test_the_bounds_tell_a_simple_layout_from_a_planned_one(simple: Any) -> None:
    start = lognormal(MILLION)
    result = attention_work(start, simple(MILLION), 64, 256, 256)
    assert result.imbalance > 2
    assert result.critical_path > 4


def test_where_links_are_slow_documents_reach_fewer_ranks() -> None:
    start = MIXES["sixteen"](2**18)
    hops = {link: attention_work(start, plan_layout(start, 64, link), 64).hops for link in (0, 256, 16384)}
    assert hops == {0: 32, 256: 16, 16384: 4}
