"""Rotary position embedding (Su et al. 2021) in Llama's half-split form: channel i turns with channel i + C / 2.

Letters: B rows, T tokens, H heads, C head width.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.config import RopeScaling


def frequencies(head_dim: int, theta: float, scaling: RopeScaling | None) -> NDArray[np.float32]:
    """Radians by which each pair of channels turns from one position to the next, float32 [C / 2], computed in float64.

    Args:
        theta: the base; a longer context needs a larger one.
        scaling: Llama 3.1's: a pair that turns less than `low_frequency_factor` times within the original context turns `factor` times
            slower, one that turns more than `high_frequency_factor` times as before, and between them the two are mixed linearly.
    """
    per_token: NDArray[np.float64] = theta ** -(np.arange(0, head_dim, 2) / head_dim)
    if scaling is not None:
        turns = scaling.original_context_length * per_token / (2 * math.pi)
        low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
        as_before = np.clip((turns - low) / (high - low), 0, 1)
        per_token = (1 - as_before) * per_token / scaling.factor + as_before * per_token
    return per_token.astype(np.float32)


def rotate(x_BTHC: Array, position_BT: Array, frequency_C: NDArray[np.float32]) -> Array:
    """Turn each pair of channels by position * frequency radians; angles and products in float32, result in x's dtype.

    Args:
        x_BTHC: queries or keys.
        position_BT: int32, place within the document (not the row), from 0.
        frequency_C: of each pair, see `frequencies`.
    """
    angle_BT1C = position_BT[:, :, None, None].astype(jnp.float32) * frequency_C
    cos, sin = jnp.cos(angle_BT1C), jnp.sin(angle_BT1C)
    first, second = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    turned = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return turned.astype(x_BTHC.dtype)
