"""The list of blocks that a kernel computes, made on the device from the key ranges, without a mask of all pairs.

A kernel with a run-time grid goes through a list of (outer block, inner block). A block that is not on the list is neither fetched nor
computed, and takes no grid step.

Letters: T query tokens, Q query blocks, S key blocks, V entries of the list.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

EMPTY, PARTIAL, FULL = 0, 1, 2
"""Kinds of blocks: no pair is visible; some pairs are, and the kernel masks; all pairs are visible."""


class BlockSchedule(NamedTuple):
    """The list of blocks, padded to a fixed length."""

    outer_V: Array
    """int32, ascending; -1 after the end of the list."""
    inner_V: Array
    """int32, ascending within an outer block; -1 after the end of the list."""
    kind_V: Array
    """int32, EMPTY, PARTIAL or FULL."""
    count_1: Array
    """int32[1], the number of entries."""


def block_kinds(low_T: Array, high_T: Array, q_size: int, k_size: int, keys: int) -> Array:
    """The kind of each block, int32[Q, S]. A query without keys has low >= high."""
    first = jnp.arange(keys // k_size, dtype=jnp.int32) * k_size
    low, high = low_T.reshape(-1, q_size, 1), high_T.reshape(-1, q_size, 1)
    some = jnp.any(jnp.maximum(low, first) < jnp.minimum(high, first + k_size), axis=1)
    every = jnp.all((low <= first) & (high >= first + k_size), axis=1)
    return jnp.where(every, FULL, jnp.where(some, PARTIAL, EMPTY)).astype(jnp.int32)


def schedule_by_query(kind_QS: Array) -> BlockSchedule:
    """The list for a kernel with an output per query block. A query block without keys is not listed, and its output is not written."""
    return _schedule(kind_QS, kind_QS > EMPTY)


def schedule_by_key(kind_QS: Array) -> BlockSchedule:
    """The list for a kernel with an output per key block. Each key block is listed at least once, so that its output is written, if only
    with zeros."""
    kind = kind_QS.T
    alone = jnp.all(kind == EMPTY, axis=1, keepdims=True) & (jnp.arange(kind.shape[1]) == 0)
    return _schedule(kind, (kind > EMPTY) | alone)


def _schedule(kind: Array, wanted: Array) -> BlockSchedule:
    block = jnp.arange(wanted.size, dtype=jnp.int32)
    absent, block, kind_V = lax.sort((~wanted.reshape(-1), block, kind.reshape(-1)), num_keys=1, is_stable=True)
    outer, inner = block // wanted.shape[1], block % wanted.shape[1]
    return BlockSchedule(jnp.where(absent, -1, outer), jnp.where(absent, -1, inner), kind_V, jnp.sum(wanted, dtype=jnp.int32)[None])
