"""Tokens traded for heads inside a group of neighbours, so that the ring has fewer, larger ranks (Jacobs et al. 2023, DeepSpeed Ulysses;
with a ring outside: Fang and Zhao 2024, USP).

A device of the group holds 1/U of the ring rank's tokens with all heads; after the trade it holds all of them with 1/U of the heads.

Letters: B rows, T tokens, H query heads, K key heads, C head width, U size of the group.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring.axes import Axes


def to_heads(mesh: jax.sharding.Mesh, axes: Axes, q_BTHC: Array, k_BTKC: Array, v_BTKC: Array) -> tuple[Array, Array, Array]:
    """Queries, keys and values with tokens over the ring alone and heads over (`axes.heads`, `axes.ulysses`).

    Keys and values are repeated as often as makes their heads a multiple of U: not at all when U divides K.

    Raises ValueError when U does not divide the query heads of a device.
    """
    degree = mesh.shape[axes.ulysses]
    if degree == 1:
        return q_BTHC, k_BTKC, v_BTKC
    heads, key_heads = (x.shape[2] // mesh.shape[axes.heads] for x in (q_BTHC, k_BTKC))
    if heads % degree:
        raise ValueError(f"mesh.ulysses: {degree} does not divide the {heads} query heads of a device: use a divisor of it")
    times = math.lcm(key_heads, degree) // key_heads

    def trade(times: int, x: Array) -> Array:
        return _exchange(jnp.repeat(x, times, axis=2) if times > 1 else x, axes, split=2, join=1)

    of_queries, of_keys = (
        jax.shard_map(partial(trade, repeats), mesh=mesh, in_specs=_by_tokens(axes), out_specs=_by_heads(axes)) for repeats in (1, times)
    )
    return of_queries(q_BTHC), of_keys(k_BTKC), of_keys(v_BTKC)


def to_tokens(mesh: jax.sharding.Mesh, axes: Axes, out_BTHC: Array) -> Array:
    """The output back where the queries came from."""
    if mesh.shape[axes.ulysses] == 1:
        return out_BTHC

    trade = jax.shard_map(partial(_exchange, axes=axes, split=1, join=2), mesh=mesh, in_specs=_by_heads(axes), out_specs=_by_tokens(axes))
    traded: Array = trade(out_BTHC)
    return traded


def _exchange(x: Array, axes: Axes, split: int, join: int) -> Array:
    traded: Array = lax.all_to_all(x, axes.ulysses, split_axis=split, concat_axis=join, tiled=True)
    return traded


def _by_tokens(axes: Axes) -> P:
    return P(axes.rows, axes.tokens, axes.heads)


def _by_heads(axes: Axes) -> P:
    return P(axes.rows, axes.ring, (axes.heads, axes.ulysses))
