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

    @partial(jax.shard_map, mesh=mesh, in_specs=_by_tokens(axes), out_specs=_by_heads(axes))
    def trade(x: Array) -> Array:
        return lax.all_to_all(x, axes.ulysses, split_axis=2, concat_axis=1, tiled=True)

    @partial(jax.shard_map, mesh=mesh, in_specs=_by_tokens(axes), out_specs=_by_heads(axes))
    def trade_repeated(x: Array) -> Array:
        return lax.all_to_all(jnp.repeat(x, times, axis=2), axes.ulysses, split_axis=2, concat_axis=1, tiled=True)

    return trade(q_BTHC), trade_repeated(k_BTKC), trade_repeated(v_BTKC)


def to_tokens(mesh: jax.sharding.Mesh, axes: Axes, out_BTHC: Array) -> Array:
    """The output back where the queries came from."""
    if mesh.shape[axes.ulysses] == 1:
        return out_BTHC

    @partial(jax.shard_map, mesh=mesh, in_specs=_by_heads(axes), out_specs=_by_tokens(axes))
    def trade(x: Array) -> Array:
        return lax.all_to_all(x, axes.ulysses, split_axis=1, concat_axis=2, tiled=True)

    return trade(out_BTHC)  # type: ignore[no-any-return]


def _by_tokens(axes: Axes) -> P:
    return P(axes.rows, axes.tokens, axes.heads)


def _by_heads(axes: Axes) -> P:
    return P(axes.rows, axes.ring, (axes.heads, axes.ulysses))
