"""Gradient accumulation: the rows of a step are computed in microbatches, so that only the activations of one are in memory.

Letters: B rows of the global batch, T tokens of a row.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.step.loss_normalization import MeanLosses

Tree = Any


def value_and_grad(
    loss: Callable[[Tree, Tree], MeanLosses], params: Tree, batch_BT: Tree, *, microbatches: int, rows: NamedSharding, shardings: Tree
) -> tuple[MeanLosses, Tree]:
    """The losses of the whole batch, and the float32 gradients of the objective by `params`, summed over the microbatches.

    Args:
        loss: of (params, some of the rows); float32 scalars that are sums over rows, divided by the denominators of the whole batch.
        microbatches: divides the rows of each shard of the batch, because every shard gives some of its rows to each microbatch, so that
            no row moves to another device.
        rows: how the arrays of the batch are sharded.
        shardings: of the gradients, a tree like the parameters.
    """
    differentiated = jax.value_and_grad(lambda params, part: ((losses := loss(params, part)).objective, losses), has_aux=True)

    def one_microbatch(params: Tree, part: Tree) -> tuple[MeanLosses, Tree]:
        (_, losses), gradients = differentiated(params, part)
        return losses, gradients

    if microbatches == 1:
        return one_microbatch(params, batch_BT)

    def add(total: tuple[MeanLosses, Tree], part: Tree) -> tuple[tuple[MeanLosses, Tree], None]:
        total = jax.tree.map(jnp.add, total, one_microbatch(params, part))
        return (total[0], jax.lax.with_sharding_constraint(total[1], shardings)), None

    zero_gradients = jax.lax.with_sharding_constraint(jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), params), shardings)
    parts_BT = split_rows(batch_BT, microbatches, rows)
    losses_shape = jax.eval_shape(loss, params, jax.tree.map(lambda x: x[0], parts_BT))
    zero_losses = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), losses_shape)
    total, _ = jax.lax.scan(add, (zero_losses, zero_gradients), parts_BT)
    return total


def split_rows(batch_BT: Tree, microbatches: int, rows: NamedSharding) -> Tree:
    """Arrays [B, T] to [microbatches, B / microbatches, T]: every shard splits its own rows, and each microbatch has some of each shard."""
    row_axes, *others = rows.spec
    shards = math.prod(rows.mesh.shape[axis] for axis in row_axes)

    def split(x_BT: Array) -> Array:
        by_shard = x_BT.reshape(shards, microbatches, -1, *x_BT.shape[1:])
        return by_shard.swapaxes(0, 1).reshape(microbatches, -1, *x_BT.shape[1:])

    return jax.lax.with_sharding_constraint(jax.tree.map(split, batch_BT), NamedSharding(rows.mesh, PartitionSpec(None, row_axes, *others)))
