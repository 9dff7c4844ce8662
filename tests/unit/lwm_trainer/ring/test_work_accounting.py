"""The account of attention work against a count pair by pair, block by block."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.ring.kernels.block_ranges import key_block_ranges, query_block, query_block_count
from lwm_trainer.ring.ranges import key_ranges
from lwm_trainer.ring.work_accounting import attention_work, needed_pairs

Starts = np.ndarray[Any, np.dtype[np.int32]]
RING, HELD = 4, 12


@st.composite
def rows(draw: st.DrawFn) -> Starts:
    """Documents of any lengths, then padding, RING * HELD tokens."""
    length = RING * HELD
    edges = sorted(draw(st.sets(st.integers(1, length - 1), max_size=8)))
    start = np.zeros(length, np.int32)
    for edge in edges:
        start[edge:] = edge
    padding = draw(st.integers(0, length))
    start[length - padding :] = np.arange(length - padding, length) + 1
    return start


def visible(start: Starts) -> np.ndarray[Any, np.dtype[np.bool_]]:
    key = np.arange(len(start))
    return (key >= start[:, None]) & (key <= key[:, None])


@st.composite
def layouts(draw: st.DrawFn) -> Starts:
    """Any layout that keeps each rank's places ascending."""
    places = np.array(draw(st.permutations(range(RING * HELD))), np.int32)
    return np.sort(places.reshape(RING, HELD), axis=1).reshape(-1)


@given(rows(), layouts())
def test_blocks_of_one_token_count_the_pairs_that_are_needed(start: Starts, order: Starts) -> None:
    seen = visible(start)
    result = attention_work(start, order, RING)
    ranks = order.reshape(RING, HELD)
    by_hand = [[seen[np.ix_(ranks[rank], ranks[(rank - hop) % RING])].sum() for hop in range(RING)] for rank in range(RING)]
    assert result.needed == needed_pairs(start) == seen.sum()
    # between the first and the last key that a query may see, every key of the shard is one that it may see
    np.testing.assert_array_equal(result.by_hop, by_hand)


@settings(deadline=None, max_examples=30)  # JAX compiles for each pair of block sizes
@given(rows(), layouts(), st.sampled_from([1, 3, 5, 12]), st.sampled_from([1, 2, 5, 12]))
def test_the_computed_pairs_are_those_of_the_blockwise_backend(start: Starts, order: Starts, queries: int, keys: int) -> None:
    result = attention_work(start, order, RING, queries, keys)
    stop, holders = jnp.array(order)[None] + 1, jnp.array(order).reshape(RING, 1, HELD)
    low, high = (x.reshape(RING * RING, HELD) for x in key_ranges(jnp.array(start[order])[None], stop, holders))
    numbers = jnp.arange(RING * RING * query_block_count(HELD, queries))
    edges = jax.vmap(lambda number: key_block_ranges(query_block(number, low, high, queries), HELD, keys).masked)(numbers)
    by_holder = np.asarray(edges).reshape(RING, RING, -1).sum(axis=2) * queries * keys
    by_hand = [[by_holder[(rank - hop) % RING, rank] for hop in range(RING)] for rank in range(RING)]
    np.testing.assert_array_equal(result.by_hop, by_hand)
    assert result.computed >= result.needed


def test_the_figures_of_a_contiguous_causal_row() -> None:
    """Four ranks of a chunk each: 1/2, 3/2, 5/2, 7/2 squares; hops of 1/2, 1, 1, 1."""
    length = RING * HELD
    result = attention_work(np.zeros(length, np.int32), np.arange(length, dtype=np.int32), RING, HELD, HELD)
    assert result.hops == RING
    assert result.by_hop.tolist() == [[HELD**2 * (hop <= rank) for hop in range(RING)] for rank in range(RING)]
    assert result.waste == 10 * HELD**2 / (length * (length + 1) / 2)
    assert result.imbalance == pytest.approx(4 / 2.5)
    assert result.critical_path == pytest.approx(4 / 2.5)


def test_a_row_of_padding_costs_nothing() -> None:
    start = np.arange(1, RING * HELD + 1, dtype=np.int32)
    result = attention_work(start, start - 1, RING, 4, 4)
    assert (result.needed, result.computed, result.hops, result.waste, result.imbalance, result.critical_path) == (0, 0, 1, 1.0, 1.0, 1.0)
