"""Draws a token from scores: temperature, top-k, top-p and min-p, in float32 and without a sort.

The threshold of top-k and top-p is searched bit by bit in the order of the scores, so that 32 sums over the vocabulary take its place.

Letters: B rows, V tokens of both vocabularies together.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax


class FilterArrays(NamedTuple):
    """The `Filters` of every row, [B]."""

    temperature: Array
    top_k: Array
    top_p: Array
    min_p: Array


def draw(score_BV: Array, filters: FilterArrays, seed_B: Array, place_B: Array) -> Array:
    """Draw a token for every row, int32[B]; it depends on the row's own scores, filters, seed and place only.

    Args:
        score_BV: float32; -inf for tokens that are not allowed. One of each row is.
        seed_B: uint32.
        place_B: int32, the place that the token will have in its row.
    """
    greedy_B = filters.temperature == 0
    scaled_BV = score_BV / jnp.where(greedy_B, 1.0, filters.temperature)[:, None]
    kept_BV = _keep(scaled_BV, filters)

    def one(seed: Array, place: Array, score_V: Array) -> Array:
        return jax.random.categorical(jax.random.fold_in(jax.random.key(seed), place), score_V)

    drawn_B = jax.vmap(one)(seed_B, place_B, kept_BV)
    return jnp.where(greedy_B, jnp.argmax(score_BV, -1), drawn_B).astype(jnp.int32)


def _keep(score_BV: Array, filters: FilterArrays) -> Array:
    """The scores with -inf for tokens that a filter removes. A filter that no row uses costs nothing."""
    unlimited_B = filters.top_k == 0

    def top_k(score_BV: Array) -> Array:
        threshold_B = _largest(_ordered(score_BV), lambda above_BV: above_BV.sum(-1) >= filters.top_k)
        return _remove(score_BV, (_ordered(score_BV) < threshold_B[:, None]) & ~unlimited_B[:, None])

    def top_p(score_BV: Array) -> Array:
        probability_BV = jax.nn.softmax(score_BV, axis=-1)
        threshold_B = _largest(_ordered(score_BV), lambda above_BV: jnp.where(above_BV, probability_BV, 0).sum(-1) >= filters.top_p)
        return _remove(score_BV, (_ordered(score_BV) < threshold_B[:, None]) & (filters.top_p < 1)[:, None])

    score_BV = lax.cond(jnp.all(unlimited_B), lambda x: x, top_k, score_BV)
    score_BV = lax.cond(jnp.all(filters.top_p >= 1), lambda x: x, top_p, score_BV)
    least_B = score_BV.max(-1) + jnp.log(filters.min_p)  # log 0 is -inf, which removes nothing
    return _remove(score_BV, score_BV < least_B[:, None])


def _remove(score_BV: Array, removed_BV: Array) -> Array:
    return jnp.where(removed_BV, -jnp.inf, score_BV)


def _ordered(score_BV: Array) -> Array:
    """uint32 in the order of the scores."""
    bits = lax.bitcast_convert_type(score_BV, jnp.uint32)
    sign = jnp.uint32(1 << 31)
    return jnp.where(bits & sign, ~bits, bits | sign)


def _largest(value_BV: Array, enough: Callable[[Array], Array]) -> Array:
    """The largest threshold of each row for which `enough` is true of the values that reach it; 0 where none is."""

    def try_bit(number: Array, threshold_B: Array) -> Array:
        candidate_B = threshold_B | (jnp.uint32(1 << 31) >> number.astype(jnp.uint32))
        return jnp.where(enough(value_BV >= candidate_B[:, None]), candidate_B, threshold_B)

    threshold_B: Array = lax.fori_loop(0, 32, try_bit, jnp.zeros(value_BV.shape[0], jnp.uint32))
    return threshold_B
