"""A function of single tokens, applied to a part of a row's tokens at a time, so that its inner values are never alive for all.

Letters: B rows, T tokens, N tiles, D width.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array


def tiled(function: Callable[[Array], Array], x_BTD: Array, tile: int | None) -> Array:
    """`function` of all tokens, `tile` of a row at once (None: all); the backward pass, too, computes one tile after the other.

    A tile takes every N-th token, as in LWM: where the tokens of a row are sharded, each shard has its share of every tile, and nothing
    moves between devices.
    """
    rows, length, width = x_BTD.shape
    if tile is None or tile == length:
        return function(x_BTD)
    x_NBTD = jnp.moveaxis(x_BTD.reshape(rows, tile, length // tile, width), 2, 0)
    out_NBTD = jax.lax.map(jax.checkpoint(function, prevent_cse=False), x_NBTD)
    return jnp.moveaxis(out_NBTD, 0, 2).reshape(x_BTD.shape)
