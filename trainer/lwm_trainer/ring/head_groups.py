"""The two orders of the axes of queries and outputs: tokens first, as in the model, and heads first, as in the kernels.

Letters: B rows, T tokens, K key heads, G query heads per key head, H = K * G, C head width.
"""

import jax.numpy as jnp
from jax import Array


def heads_first(x: Array, key_heads: int) -> Array:
    """[B, T, H, ...] to [B, K, G, T, ...]: groups the query heads of each key head."""
    x = x.reshape(*x.shape[:2], key_heads, x.shape[2] // key_heads, *x.shape[3:])
    return jnp.moveaxis(x, 1, 3)


def tokens_first(x: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of `heads_first`."""
    return jnp.moveaxis(x, 3, 1).reshape(shape)
