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

from lwm_trainer.step.loss_normalization import Means

Tree = Any


def value_and_grad(
    loss: Callable[[Tree, Tree], Means], params: Tree, batch_BT: Tree, *, parts: int, rows: NamedSharding, shardings: Tree
) -> tuple[Means, Tree]:
    """The means over the whole batch and the gradients by `params` of what is minimised: float32 sums over `parts` parts of the rows.

    Args:
        loss: of (params, some of the rows), float32 scalars that are sums over rows: their normalisers are those of the whole batch.
        rows: how the arrays of the batch lie on the mesh; `parts` divides the rows of each of its shards, which gives some to each
            part, so that no row moves to another device.
        shardings: where the gradients lie, a tree like the parameters.
    """
    differentiated = jax.value_and_grad(lambda params, part: ((losses := loss(params, part)).minimised, losses), has_aux=True)

    def of_part(params: Tree, part: Tree) -> tuple[Means, Tree]:
        (_, losses), gradients = differentiated(params, part)
        return losses, gradients

    if parts == 1:
        return of_part(params, batch_BT)

    def add(total: tuple[Means, Tree], part: Tree) -> tuple[tuple[Means, Tree], None]:
        total = jax.tree.map(jnp.add, total, of_part(params, part))
        return (total[0], jax.lax.with_sharding_constraint(total[1], shardings)), None

    zeros = jax.lax.with_sharding_constraint(jax.tree.map(lambda x: jnp.zeros(x.shape, jnp.float32), params), shardings)
    cut_BT = parts_of(batch_BT, parts, rows)
    of_one = jax.eval_shape(loss, params, jax.tree.map(lambda x: x[0], cut_BT))
    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), of_one)
    total, _ = jax.lax.scan(add, (nothing, zeros), cut_BT)
    return total


def parts_of(batch_BT: Tree, parts: int, rows: NamedSharding) -> Tree:
    """Arrays [B, T] to [parts, B / parts, T]: every shard cuts its own rows, and a part has some of each shard."""
    row_axes, *others = rows.spec
    shards = math.prod(rows.mesh.shape[axis] for axis in row_axes)

    def cut(x_BT: Array) -> Array:
        apart = x_BT.reshape(shards, parts, -1, *x_BT.shape[1:])
        return apart.swapaxes(0, 1).reshape(parts, -1, *x_BT.shape[1:])

    return jax.lax.with_sharding_constraint(jax.tree.map(cut, batch_BT), NamedSharding(rows.mesh, PartitionSpec(None, row_axes, *others)))
