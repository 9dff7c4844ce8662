"""Matrix products of a layer on each device: it gathers their parameters, and applies them to its own tokens.

The gathered parameters exist for one call, in the forward pass and again in the backward pass.

Letters: B rows, T tokens, N tiles, D width.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import PartitionSpec as P

from lwm_trainer.model.modules import AXES, Parameters, TokenWise
from lwm_trainer.parallel.mesh import spec
from lwm_trainer.parallel.parameter_gathers import gather
from lwm_trainer.ring.axes import Axes

Function = Callable[[dict[str, Array], Array], Any]
"""(parameters, x [B, T, D]) -> an array [B, T, ...] or a tuple of them."""


def by_device(mesh: jax.sharding.Mesh, axes: Axes, tile: int | None) -> TokenWise:
    """Apply functions to the tokens of each device; `axes.heads` stays with the partitioner.

    Args:
        tile: a multiple of the shards of a row. A function that may go in tiles is applied to so many tokens of a row at a time, forward
            and backward. Its parameters are gathered once, and their gradients, which accumulate in float32 from tile to tile, are summed
            over the devices once. (LWM's strided tiles leave this to the partitioner, which does both once a tile.)
    """
    by_data = (*axes.rows, *axes.tokens)
    shards = mesh.shape[axes.ring] * mesh.shape[axes.ulysses]
    tokens = P(axes.rows, axes.tokens)
    platform: str = mesh.devices.flat[0].platform
    # Nothing is gathered then, and XLA's partitioner refuses sums over manual axes that all have one device.
    only_heads = mesh.shape[axes.heads] > 1 and all(mesh.shape[axis] == 1 for axis in by_data)

    def apply(function: Function, parameters: Parameters, x_BTD: Array, *, in_tiles: bool = False) -> Any:
        values = {name: parameter[...] for name, parameter in parameters.items()}
        if only_heads:
            whole = {name: value.astype(x_BTD.dtype) for name, value in values.items()}
            return _in_tiles(function, whole, x_BTD, tile) if tile is not None and in_tiles else function(whole, x_BTD)
        partitions = {name: _among(by_data, spec(parameter.get_metadata(AXES))) for name, parameter in parameters.items()}

        @partial(jax.shard_map, mesh=mesh, axis_names=set(by_data), in_specs=(partitions, tokens), out_specs=tokens)
        def own(values: dict[str, Array], x_BTD: Array) -> Any:
            whole = {name: _gathered(value, partitions[name], by_data, x_BTD.dtype, platform) for name, value in values.items()}
            if tile is None or not in_tiles:
                return function(whole, x_BTD)
            return _in_tiles(function, whole, x_BTD, tile // shards)

        return own(values, x_BTD)

    return apply


def _among(mesh_axes: tuple[str, ...], partition: P) -> P:
    """The partition by these mesh axes alone."""
    entries = ((entry,) if isinstance(entry, str) else entry or () for entry in partition)
    return P(*(tuple(axis for axis in entry if axis in mesh_axes) or None for entry in entries))


def _gathered(shard: Array, partition: P, by_data: tuple[str, ...], dtype: Any, platform: str) -> Array:
    """The whole of a parameter, of which one dimension is sharded over some of the axes. Over the others its gradients are summed, too."""
    (dimension, axes), *_ = [(number, entry) for number, entry in enumerate(partition) if entry]
    replicated = tuple(axis for axis in by_data if axis not in axes)
    return gather(jax.lax.pcast(shard, replicated, to="varying"), axes, dimension, dtype, platform=platform)


def _in_tiles(function: Function, parameters: dict[str, Array], x_BTD: Array, tile: int) -> Array:
    """Apply the function to `tile` of the device's own tokens of each row at a time."""
    wide = jax.tree.map(lambda w: w.astype(jnp.float32), parameters)

    @partial(jax.checkpoint, prevent_cse=False)
    def one(x_BTD: Array) -> Array:
        out: Array = function(jax.tree.map(lambda w: w.astype(x_BTD.dtype), wide), x_BTD)
        return out

    rows, length, width = x_BTD.shape
    x_NBTD = jnp.moveaxis(x_BTD.reshape(rows, -1, tile, width), 1, 0)
    return jnp.moveaxis(jax.lax.map(one, x_NBTD), 0, 1).reshape(rows, length, width)
