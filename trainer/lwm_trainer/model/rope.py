"""Rotary position embedding (Su et al. 2021) in Llama's half-split form: channel i turns with channel i + C / 2.

Letters: B rows, T tokens, H heads, C head width.
"""

import jax.numpy as jnp
from jax import Array


def rotate(x_BTHC: Array, position_BT: Array, theta: float) -> Array:
    """Turn each pair of channels by position * theta^(-2i / C) radians; angles and products in float32, result in x's dtype.

    Args:
        x_BTHC: queries or keys.
        position_BT: int32, place within the document (not the row), from 0.
        theta: the base; a longer context needs a larger one.
    """
    half = x_BTHC.shape[-1] // 2
    frequency_C = theta ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle_BT1C = position_BT[:, :, None, None].astype(jnp.float32) * frequency_C
    cos, sin = jnp.cos(angle_BT1C), jnp.sin(angle_BT1C)
    first, second = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x_BTHC.dtype)
