"""From the encoder's vectors to codes, and from codes to vectors.

Letters: N positions, K codes, C channels.
"""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from lwm_trainer.vision.modules import PRECISION

FSQ_MARGIN = 1e-3
"""How far the bounded values stay below half a level, relative to it."""
_SHORTEST = 1e-12
"""A vector shorter than this has no direction: it is divided by this length."""


def nearest(vector_NC: Array, table_KC: Array) -> Array:
    """The code at the smallest Euclidean distance of each vector, int32 [N]; the lowest of equal ones.

    The square of the vector itself is the same for all codes and is left out: it would only cost bits.
    """
    products_NK = jnp.einsum("nc,kc->nk", vector_NC, table_KC, precision=PRECISION)
    return jnp.argmin(jnp.sum(jnp.square(table_KC), axis=-1) - 2 * products_NK, axis=-1).astype(jnp.int32)


def largest_product(vector_NC: Array, table_KC: Array) -> Array:
    """The code whose vector has the largest scalar product with each vector, int32 [N]; the lowest of equal ones.

    Index backpropagation quantization (IBQ; Shi et al. 2024, arXiv 2412.02692) chooses so: long codes are preferred.
    """
    return jnp.argmax(jnp.einsum("nc,kc->nk", vector_NC, table_KC, precision=PRECISION), axis=-1).astype(jnp.int32)


def unit(vector_NC: Array) -> Array:
    """Vectors of length 1 in the same directions."""
    lengths = jnp.linalg.norm(vector_NC, axis=-1, keepdims=True)
    return vector_NC / jnp.maximum(lengths, _SHORTEST)


def fsq_bound(vector_NC: Array, levels: tuple[int, ...]) -> Array:
    """Channels bounded so that rounding gives the integers -(L // 2) to (L - 1) // 2 (FSQ; Mentzer et al. 2023, arXiv 2309.15505).

    The shift is the inverse of tanh, by which a latent of 0 stays at 0.
    """
    count = np.array(levels, np.float64)
    half = (count - 1) * (1 - FSQ_MARGIN) / 2
    offset = np.where(count % 2 == 0, 0.5, 0.0)
    shift = np.arctanh(offset / half).astype(np.float32)
    return jnp.tanh(vector_NC + shift) * half.astype(np.float32) - offset.astype(np.float32)


def fsq_codes(vector_NC: Array, levels: tuple[int, ...]) -> Array:
    """The code of each vector, int32 [N]: its levels as a number whose first channel changes fastest."""
    digits = jnp.round(fsq_bound(vector_NC, levels)).astype(jnp.int32) + np.array(levels, np.int32) // 2
    return jnp.sum(digits * _places(levels), axis=-1).astype(jnp.int32)


def fsq_table(levels: tuple[int, ...]) -> NDArray[np.float32]:
    """The vector of each code, [K, C], from -1 to below or at 1."""
    codes = np.arange(math.prod(levels))[:, None]
    half = np.array(levels) // 2
    table: NDArray[np.float64] = (codes // _places(levels) % np.array(levels) - half) / half
    return table.astype(np.float32)


def _places(levels: tuple[int, ...]) -> NDArray[np.int32]:
    return np.cumprod([1, *levels[:-1]]).astype(np.int32)
