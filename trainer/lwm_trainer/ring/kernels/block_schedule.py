"""Which blocks of a shard a kernel visits, found from the key ranges on the device, without a mask of all pairs.

A kernel with a run-time grid walks down a list of (outer block, inner block): what is not on the list is neither fetched nor computed,
and costs no grid step.

Letters: T query tokens, S key tokens, Q and S blocks of them, V places of the list.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

NONE, SOME, ALL = 0, 1, 2
"""Of the pairs of a block: nothing is computed, each is asked, each is visible."""


class Visits(NamedTuple):
    """The list, and how much of it is valid."""

    outer_V: Array
    """int32, ascending; -1 beyond the list's end."""
    inner_V: Array
    """int32, ascending within an outer block; -1 beyond the list's end."""
    kind_V: Array
    """int32, NONE, SOME or ALL."""
    count_1: Array
    """int32[1]."""


def kinds(low_T: Array, high_T: Array, q_size: int, k_size: int, keys: int) -> Array:
    """int32[query blocks, key blocks] of NONE, SOME and ALL; `low_T >= high_T` is a query without keys."""
    first = jnp.arange(keys // k_size, dtype=jnp.int32) * k_size
    low, high = low_T.reshape(-1, q_size, 1), high_T.reshape(-1, q_size, 1)
    some = jnp.any(jnp.maximum(low, first) < jnp.minimum(high, first + k_size), axis=1)
    every = jnp.all((low <= first) & (high >= first + k_size), axis=1)
    return jnp.where(every, ALL, jnp.where(some, SOME, NONE)).astype(jnp.int32)


def by_query(kind_QS: Array) -> Visits:
    """For outputs per query block: a query block without keys is never visited, and its output never written."""
    return _listed(kind_QS, kind_QS > NONE)


def by_key(kind_QS: Array) -> Visits:
    """For outputs per key block: each key block is visited at least once, so that its output is written, be it with zeros."""
    kind = kind_QS.T
    alone = jnp.all(kind == NONE, axis=1, keepdims=True) & (jnp.arange(kind.shape[1]) == 0)
    return _listed(kind, (kind > NONE) | alone)


def _listed(kind: Array, wanted: Array) -> Visits:
    place = jnp.arange(wanted.size, dtype=jnp.int32)
    absent, place, kind_V = lax.sort((~wanted.reshape(-1), place, kind.reshape(-1)), num_keys=1, is_stable=True)
    outer, inner = place // wanted.shape[1], place % wanted.shape[1]
    return Visits(jnp.where(absent, -1, outer), jnp.where(absent, -1, inner), kind_V, jnp.sum(wanted, dtype=jnp.int32)[None])
