"""Rotary position embedding (RoPE; Su et al. 2021, arXiv 2104.09864) in the half-split form: channel i rotates with channel i + C / 2.

An angle is the product of position and frequency, of which only the fraction of a turn counts. Float32 has 24 bits: at position 2^20, where
the fastest pair has made 166,886 turns, it leaves six or seven for the fraction. So a frequency is held as a 32-bit fraction of a turn,
whose product with the position is exact modulo a turn in integers, plus a remainder in float32, whose product is small.

Letters: B rows, T tokens, H heads, C head width.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.config import RopeScaling, RotaryAngles

Angles = Callable[[Array], Array]
"""int32 positions within the document, from 0, [...] -> float32 angle of each pair of channels in radians, [..., C / 2]."""

TURN = 2**32
"""A whole turn as an integer: products with a position overflow, which takes away whole turns and nothing else."""


def frequencies(
    head_dim: int, theta: float, scaling: RopeScaling | None, dtype: type[np.floating[Any]] = np.float64
) -> NDArray[np.floating[Any]]:
    """Radians by which each pair of channels rotates from one position to the next, [C / 2], computed in `dtype`.

    Args:
        theta: the base; a longer context needs a larger base.
        scaling: that of Llama 3.1. A pair with fewer than `low_frequency_factor` rotations within the original context rotates `factor`
            times slower; one with more than `high_frequency_factor` rotations is unchanged; in between, the two are interpolated linearly.
    """
    per_token: NDArray[np.floating[Any]] = 1 / dtype(theta) ** (np.arange(0, head_dim, 2).astype(dtype) / dtype(head_dim))
    if scaling is not None:
        rotations = scaling.original_context_length * per_token / dtype(2 * math.pi)
        low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
        unscaled = np.clip((rotations - dtype(low)) / dtype(high - low), 0, 1)
        per_token = (1 - unscaled) * per_token / dtype(scaling.factor) + unscaled * per_token
    return per_token.astype(dtype)


def angles(head_dim: int, theta: float, scaling: RopeScaling | None, arithmetic: RotaryAngles) -> Angles:
    """The angles of a model, see `config.Precision.rotary_angles`.

    Args:
        arithmetic: "exact" is the real number modulo a turn within 4e-7 radians up to position 2^24, and within 7e-7 up to 2^31. "float32"
            is the product of a float32 frequency and the position, rounded to float32, as LWM and Hugging Face compute it: at position 2^20
            the rounded frequency and the rounded product are off by up to 0.1 radians together.
    """
    if arithmetic == "float32":
        rounded_C = frequencies(head_dim, theta, scaling, np.float32)
        return lambda position: position[..., None].astype(jnp.float32) * rounded_C
    turns_C = frequencies(head_dim, theta, scaling) / (2 * math.pi)
    whole_C = np.rint(turns_C * TURN)
    rest_C = (turns_C - whole_C / TURN).astype(np.float32)  # at most half of 2^-32: its product with a position has no whole turn
    step_C = whole_C.astype(np.uint32)

    def exact(position: Array) -> Array:
        product = position[..., None].astype(jnp.uint32) * step_C
        signed = jax.lax.bitcast_convert_type(product, jnp.int32).astype(jnp.float32)  # from minus half a turn to half a turn
        turns: Array = signed * np.float32(1 / TURN) + position[..., None].astype(jnp.float32) * rest_C
        return turns * np.float32(2 * math.pi)

    return exact


def rotate(x_BTHC: Array, angle_BTC: Array) -> Array:
    """Rotate each pair of channels by its angle; products are float32, the result has the dtype of x.

    Args:
        x_BTHC: queries or keys.
        angle_BTC: radians, [B, T, C / 2], see `angles`.
    """
    angle_BT1C = angle_BTC[:, :, None, :]
    cos, sin = jnp.cos(angle_BT1C), jnp.sin(angle_BT1C)
    first, second = jnp.split(x_BTHC.astype(jnp.float32), 2, axis=-1)
    rotated = jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)
    return rotated.astype(x_BTHC.dtype)
