"""Rotary position embedding (RoPE; Su et al. 2021, arXiv 2104.09864) in the half-split form: channel i rotates with channel i + C / 2.

Letters: B rows, T tokens, H heads, C head width.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.config import RopeScaling


def frequencies(head_dim: int, theta: float, scaling: RopeScaling | None) -> NDArray[np.float32]:
    """Radians by which each pair of channels rotates from one position to the next; float32 [C / 2], computed in float64.

    Args:
        theta: the base; a longer context needs a larger base.
        scaling: that of Llama 3.1. A pair with fewer than `low_frequency_factor` rotations within the original context rotates `factor`
            times slower; one with more than `high_frequency_factor` rotations is unchanged; in between, the two are interpolated linearly.
    """
    per_token: NDArray[np.float64] = theta ** -(np.arange(0, head_dim, 2) / head_dim)
    if scaling is not None:
        rotations = scaling.original_context_length * per_token / (2 * math.pi)
        low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
        unscaled = np.clip((rotations - low) / (high - low), 0, 1)
        per_token = (1 - unscaled) * per_token / scaling.factor + unscaled * per_token
    return per_token.astype(np.float32)


def rotate(x_BTHC: Array, position_BT: Array, frequency_C: NDArray[np.float32]) -> Array:
    """Rotate each pair of channels by position * frequency radians; angles and products are float32, the result has the dtype of x.

    Args:
        x_BTHC: queries or keys.
        position_BT: int32, position within the document (not the row), from 0.
        frequency_C: frequency of each pair, [C / 2], see `frequencies`.
    """
    angle_BT1C = position_BT[:, :, None, None].astype(jnp.float32) * frequency_C
    cos, sin = jnp.cos(angle_BT1C), jnp.sin(angle_BT1C)
    first, second = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x_BTHC.dtype)
