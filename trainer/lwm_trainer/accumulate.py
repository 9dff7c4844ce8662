"""Gradients of a sum over rows, computed for a part of the rows at a time, so that the activations of one part only are alive.

Letters: B rows of the global batch, T tokens of a row.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.loss import Losses

Tree = Any


def value_and_grad(
    loss: Callable[[Tree, Tree], Losses], params: Tree, batch_BT: Tree, *, parts: int, rows: NamedSharding, shardings: Tree
) -> tuple[Losses, Tree]:
    """The losses of the whole batch and the gradients by `params` of what is minimised: float32 sums over `parts` parts of the rows.

    Args:
        loss: of (params, some of the rows), float32 scalars that are sums over rows: their normaliser is that of the whole batch.
        rows: how the arrays of the batch lie on the mesh; `parts` divides the rows of each of its shards, which gives some to each
            part, so that no row moves to another device.
        shardings: where the gradients lie, a tree like the parameters.
    """
    differentiated = jax.value_and_grad(lambda params, part: ((losses := loss(params, part)).minimised, losses), has_aux=True)

    def of_part(params: Tree, part: Tree) -> tuple[Losses, Tree]:
        (_, losses), gradients = differentiated(params, part)
        return losses, gradients

    if parts == 1:
        return of_part(params, batch_BT)

    def add(total: tuple[Losses, Tree], part: Tree) -> tuple[tuple[Losses, Tree], None]:
        total = jax.tree.map(jnp.add, total, of_part(params, part))
        return (total[0], jax.lax.with_sharding_constraint(total[1], shardings)), None

    zeros = jax.lax.with_sharding_constraint(jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), params), shardings)
    zero = jnp.zeros((), jnp.float32)
    total, _ = jax.lax.scan(add, (Losses(zero, zero), zeros), parts_of(batch_BT, parts, rows))
    return total


def parts_of(batch_BT: Tree, parts: int, rows: NamedSharding) -> Tree:
    """Arrays [B, T] to [parts, B / parts, T]: every shard cuts its own rows, and a part has some of each shard."""
    row_axes, *others = rows.spec
    shards = math.prod(rows.mesh.shape[axis] for axis in row_axes)

    def cut(x_BT: Array) -> Array:
        apart = x_BT.reshape(shards, parts, -1, *x_BT.shape[1:])
        return apart.swapaxes(0, 1).reshape(parts, -1, *x_BT.shape[1:])

    return jax.lax.with_sharding_constraint(jax.tree.map(cut, batch_BT), NamedSharding(rows.mesh, PartitionSpec(None, row_axes, *others)))
