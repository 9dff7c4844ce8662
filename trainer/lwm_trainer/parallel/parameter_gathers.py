"""A parameter whose shards lie on several devices, gathered for one use. For code that runs per device.

What travels is explicit, both ways: values in the dtype of the computation, gradients in float32, so that their sum over the devices is as
exact as over the tokens of one device. Along one axis of the mesh after the other: a TPU compiler turns a gather along several axes of a
torus at once into an all-reduce, which sends twice the bytes.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array, lax


def gather(shard: Array, axes: Sequence[str], dimension: int, dtype: jnp.dtype, *, platform: str) -> Array:
    """The whole parameter in `dtype`, from shards that lie along `dimension` over these mesh axes, outermost first.

    Its gradient is summed in float32 over the axes and scattered over them: each device gets that of its shard. `platform` is that of the
    mesh's devices, as JAX names it.
    """
    scattered_sum = _scattered_sum_on_cpus if platform == "cpu" else _scattered_sum
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
            total = scattered_sum(total, axis, dimension)
        return (total,)

    whole.defvjp(forward, backward)
    out: Array = whole(shard)
    return out


def _scattered_sum(values: Array, axis: str, dimension: int) -> Array:
    """The part of the sum over a mesh axis that is this device's along `dimension`."""
    out: Array = lax.psum_scatter(values, axis, scatter_dimension=dimension, tiled=True)
    return out


def _scattered_sum_on_cpus(values: Array, axis: str, dimension: int) -> Array:
    """The same of parts that devices exchange and then sum in the order of the axis.

    Gloo's reduce-scatter, which JAX uses between CPU devices of several processes, returns wrong values now and then
    (https://github.com/jax-ml/jax/issues/40830).
    """
    size = lax.axis_size(axis)
    parts = values.reshape(*values.shape[:dimension], size, values.shape[dimension] // size, *values.shape[dimension + 1 :])
    return jnp.sum(lax.all_to_all(parts, axis, split_axis=dimension, concat_axis=dimension), axis=dimension)
