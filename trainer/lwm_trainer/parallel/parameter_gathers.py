"""A parameter whose shards lie on several devices, gathered for one use. For code that runs per device.

What travels is explicit, both ways: values in the dtype of the computation, gradients in float32, so that their sum over the devices is as
exact as over the tokens of one device. Along one axis of the mesh after the other: a TPU compiler turns a gather along several axes of a
torus at once into an all-reduce, which sends twice the bytes.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax


def gather(shard: Array, axes: Sequence[str], dimension: int, dtype: jnp.dtype) -> Array:
    """The whole parameter in `dtype`, from shards that lie along `dimension` over these mesh axes, outermost first.

    Its gradient is summed in float32 over the axes and scattered over them: each device gets that of its shard.
    """
    divided = [axis for axis in axes if lax.axis_size(axis) > 1]

    @jax.custom_vjp
    def whole(shard: Array) -> Array:
        part = shard.astype(dtype)
        for axis in reversed(divided):
            part = lax.all_gather(part, axis, axis=dimension, tiled=True)
        return part

    def forward(shard: Array) -> tuple[Array, None]:
        return whole(shard), None

    def backward(_: None, gradient: Array) -> tuple[Array]:
        total = gradient.astype(jnp.float32)
        for axis in divided:
            total = lax.psum_scatter(total, axis, scatter_dimension=dimension, tiled=True)
        return (total,)

    whole.defvjp(forward, backward)
    out: Array = whole(shard)
    return out
