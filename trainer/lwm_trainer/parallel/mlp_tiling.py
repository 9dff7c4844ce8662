"""A function of single tokens, applied to some of a row's tokens at a time, so that its inner values are never alive for all.

Letters: B rows, T tokens, N tiles, D width.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec as P

from lwm_trainer.model.modules import TokenWise
from lwm_trainer.ring.axes import Axes


def tiled(mesh: jax.sharding.Mesh, axes: Axes, tile: int) -> TokenWise:
    """`tile` tokens of a row at once, in the forward pass and in the backward pass; a multiple of the shards of a row.

    Each device goes through its own tokens, with whole parameters but for `axes.heads`: they are gathered once and their gradients, which
    grow in float32 from tile to tile, are summed over the devices once, as without tiles. (LWM's strided tiles, which leave this to the
    partitioner, do both once a tile.)
    """
    by_data = (*axes.rows, *axes.tokens)
    shards = mesh.shape[axes.ring] * mesh.shape[axes.ulysses]
    tokens = P(axes.rows, axes.tokens)

    def apply(function: Callable[[Any, Array], Array], parameters: Any, x_BTD: Array) -> Array:
        @partial(jax.shard_map, mesh=mesh, axis_names=set(by_data), in_specs=(P(), tokens), out_specs=tokens)
        def own(parameters: Any, x_BTD: Array) -> Array:
            # Varying before the loop: else the sum of the gradients over the devices stands inside it.
            wide = jax.tree.map(lambda w: jax.lax.pcast(w.astype(jnp.float32), by_data, to="varying"), parameters)

            @partial(jax.checkpoint, prevent_cse=False)
            def one(x_BTD: Array) -> Array:
                return function(jax.tree.map(lambda w, like: w.astype(like.dtype), wide, parameters), x_BTD)

            rows, length, width = x_BTD.shape
            x_NBTD = jnp.moveaxis(x_BTD.reshape(rows, -1, tile // shards, width), 1, 0)
            return jnp.moveaxis(jax.lax.map(one, x_NBTD), 0, 1).reshape(rows, length, width)

        out: Array = own(parameters, x_BTD)
        return out

    return apply
