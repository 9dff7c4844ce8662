"""Ulysses sequence parallelism inside a ring rank: an all-to-all exchanges tokens for heads, so that the ring has fewer, larger ranks.

The exchange is that of Jacobs et al. 2023 (DeepSpeed Ulysses, arXiv 2309.14509), its combination with a ring that of Fang and Zhao 2024
(USP, arXiv 2405.07719). Before the exchange a device of the group holds 1/U of the ring rank's tokens with all heads; after it, all of
them with 1/U of the heads.

Letters: B rows, T tokens, H query heads, K key heads, C head width, U devices of the group.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring.axes import Axes


def to_heads(mesh: jax.sharding.Mesh, axes: Axes, q_BTHC: Array, k_BTKC: Array, v_BTKC: Array) -> tuple[Array, Array, Array]:
    """Reshard queries, keys and values: tokens over the ring alone, heads over (`axes.heads`, `axes.ulysses`).

    Key heads are repeated until U divides their number: not at all when U divides K.

    Raises ValueError when U does not divide the query heads of a device.
    """
    degree = mesh.shape[axes.ulysses]
    if degree == 1:
        return q_BTHC, k_BTKC, v_BTKC
    heads, key_heads = (x.shape[2] // mesh.shape[axes.heads] for x in (q_BTHC, k_BTKC))
    if heads % degree:
        raise ValueError(f"mesh.ulysses: {degree} does not divide the {heads} query heads of a device: use a divisor of it")
    key_repeats = math.lcm(key_heads, degree) // key_heads

    def exchange(repeats: int, x: Array) -> Array:
        return _all_to_all(jnp.repeat(x, repeats, axis=2) if repeats > 1 else x, axes, split=2, join=1)

    queries_to_heads, keys_to_heads = (
        jax.shard_map(partial(exchange, repeats), mesh=mesh, in_specs=_by_tokens(axes), out_specs=_by_heads(axes))
        for repeats in (1, key_repeats)
    )
    return queries_to_heads(q_BTHC), keys_to_heads(k_BTKC), keys_to_heads(v_BTKC)


def to_tokens(mesh: jax.sharding.Mesh, axes: Axes, out_BTHC: Array) -> Array:
    """Reshard the output as the queries were before `to_heads`."""
    if mesh.shape[axes.ulysses] == 1:
        return out_BTHC

    exchange = partial(_all_to_all, axes=axes, split=1, join=2)
    resharded: Array = jax.shard_map(exchange, mesh=mesh, in_specs=_by_heads(axes), out_specs=_by_tokens(axes))(out_BTHC)
    return resharded


def _all_to_all(x: Array, axes: Axes, split: int, join: int) -> Array:
    exchanged: Array = lax.all_to_all(x, axes.ulysses, split_axis=split, concat_axis=join, tiled=True)
    return exchanged


def _by_tokens(axes: Axes) -> P:
    return P(axes.rows, axes.tokens, axes.heads)


def _by_heads(axes: Axes) -> P:
    return P(axes.rows, axes.ring, (axes.heads, axes.ulysses))
