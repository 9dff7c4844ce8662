"""What a reconstruction is judged by, without a network of its own.

Letters: B frames, H, W rows and columns, C channels.
"""

import jax.numpy as jnp
from jax import Array

SCALES = 3
"""Full, half and a quarter of the resolution."""


def reconstruction_loss(made_BHWC: Array, true_BHWC: Array, gradient_weight: float) -> tuple[Array, Array]:
    """The mean absolute difference of pixels, and that plus `gradient_weight` times `gradient_loss`; scalars in float32."""
    absolute = jnp.mean(jnp.abs(made_BHWC - true_BHWC))
    return absolute, absolute + gradient_weight * gradient_loss(made_BHWC - true_BHWC)


def gradient_loss(difference_BHWC: Array) -> Array:
    """The mean absolute difference of neighbouring pixels' differences, averaged over rows, columns and `SCALES` resolutions; a scalar.

    It sees blurred edges, which the mean of pixels hardly does.
    """
    total = jnp.zeros(())
    for scale in range(SCALES):
        total += jnp.mean(jnp.abs(jnp.diff(difference_BHWC, axis=1))) + jnp.mean(jnp.abs(jnp.diff(difference_BHWC, axis=2)))
        if scale < SCALES - 1:
            difference_BHWC = halve(difference_BHWC)
    return total / (2 * SCALES)


def halve(x_BHWC: Array) -> Array:
    """Means of 2 x 2 pixels."""
    batch, height, width, channels = x_BHWC.shape
    return jnp.mean(x_BHWC.reshape(batch, height // 2, 2, width // 2, 2, channels), axis=(2, 4))
