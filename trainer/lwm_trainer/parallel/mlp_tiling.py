"""Tiles of the MLP: a token-wise function is applied to some of a row's tokens at a time, so that its inner values exist for those only.

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
    """Apply a function to `tile` tokens of a row at a time, forward and backward; a multiple of the shards of a row.

    Each device goes through its own tokens, with parameters that only `axes.heads` shards. They are gathered once, and their gradients,
    which accumulate in float32 from tile to tile, are summed over the devices once, as without tiles. (LWM's strided tiles leave this to
    the partitioner, which does both once a tile.)
    """
    by_data = (*axes.rows, *axes.tokens)
    shards = mesh.shape[axes.ring] * mesh.shape[axes.ulysses]
    tokens = P(axes.rows, axes.tokens)

    def apply(function: Callable[[Any, Array], Array], parameters: Any, x_BTD: Array) -> Array:
        @partial(jax.shard_map, mesh=mesh, axis_names=set(by_data), in_specs=(P(), tokens), out_specs=tokens)
        def own(parameters: Any, x_BTD: Array) -> Array:
            # Cast before the loop; otherwise the sum of the gradients over the devices would be inside it.
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
