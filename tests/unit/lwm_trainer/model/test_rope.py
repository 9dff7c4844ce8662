"""Rotary angles against float64, and Llama 3's frequencies computed by hand from the wavelengths in the reference's formula.

Letters: T tokens, C head width.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from lwm_trainer.config import RopeScaling, RotaryAngles
from lwm_trainer.fit.recipe import STAGES
from lwm_trainer.model.rope import angles, frequencies, rotate

BY_HAND = {
    # head width, factor: {pair: radians a token}; fast pairs as they are, those of a wavelength over 8,192 tokens slowed, some between
    (128, 8.0): {0: 1.0, 1: 0.814617234, 28: 0.00321144599, 29: 0.00216657076, 34: 0.000178507813, 35: 9.55621235e-05, 63: 3.06892599e-07},
    (64, 32.0): {0: 1.0, 1: 0.663601238, 14: 0.00321144599, 15: 0.00129054793, 17: 9.7082878e-05, 18: 1.94616382e-05, 31: 9.41830673e-08},
}
"""With theta 500,000."""
THETAS = sorted({1e4, *(stage.rope_theta for stage in STAGES)})
LLAMA_3 = RopeScaling(type="llama3")
WIDTH = 128
ENDS = (2**11, 2**20 - 1, 2**24, 2**31 - 1)
"""Positions of queries; each has 64 keys, at distances from none to all the way back to the row's first token."""


@pytest.mark.parametrize(("head_dim", "factor"), BY_HAND)
def test_scaled_frequencies_are_those_of_the_llama_that_scales_so(head_dim: int, factor: float) -> None:
    result = frequencies(head_dim, 500_000.0, RopeScaling(type="llama3", factor=factor))
    assert result.shape == (head_dim // 2,)
    for pair, expected in BY_HAND[head_dim, factor].items():
        np.testing.assert_allclose(result[pair], expected, rtol=2e-7)


def test_without_scaling_pair_i_turns_by_theta_to_the_minus_2i_over_the_width() -> None:
    np.testing.assert_allclose(frequencies(4, 10_000.0, None), [1.0, 0.01], rtol=1e-15)
    np.testing.assert_allclose(frequencies(8, 16.0, None), [1.0, 0.5, 0.25, 0.125], rtol=1e-15)


def keys_before(query: int) -> NDArray[np.int64]:
    return query + 1 - np.geomspace(1, query + 1, 64).astype(np.int64)


def score_error(theta: float, scaling: RopeScaling | None, arithmetic: RotaryAngles, query: int) -> float:
    """The error of a query's scores against float64 (root mean square), as a share of the scores' spread (standard deviation)."""
    random = np.random.default_rng(0)
    position_T = np.concatenate([[query], keys_before(query)])
    x_TC = random.standard_normal((len(position_T), WIDTH))
    x_TC[0] = x_TC[1:].mean(0) + random.standard_normal(WIDTH)

    def scores(rotated_TC: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(rotated_TC[1:] @ rotated_TC[0])

    angle_TC = position_T[:, None] * frequencies(WIDTH, theta, scaling)
    first, second = np.split(x_TC.astype(np.float32).astype(np.float64), 2, axis=-1)
    cos, sin = np.cos(angle_TC), np.sin(angle_TC)
    expected = scores(np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1))
    ours = angles(WIDTH, theta, scaling, arithmetic)(jnp.asarray(position_T[None], jnp.int32))
    rotated = rotate(jnp.asarray(x_TC[None, :, None], jnp.float32), ours)[0, :, 0]
    error = scores(np.asarray(rotated, np.float64)) - expected
    return float(np.sqrt(np.mean(error**2)) / expected.std())


@pytest.mark.parametrize("query", ENDS)
@pytest.mark.parametrize(("theta", "scaling"), [*((theta, None) for theta in THETAS), (5e5, LLAMA_3)])
def test_scores_are_right_to_a_millionth_of_their_spread_at_every_position(theta: float, scaling: RopeScaling | None, query: int) -> None:
    assert score_error(theta, scaling, "exact", query) < 1e-6


@pytest.mark.parametrize("theta", THETAS)
def test_products_in_float32_are_as_exact_at_short_positions_and_noise_at_long_ones(theta: float) -> None:
    assert score_error(theta, None, "float32", 2**11) < 1e-4
    assert score_error(theta, None, "float32", 2**20) > 1e-3


def test_float32_angles_are_products_of_rounded_frequencies_as_lwm_computes_them() -> None:
    theta, position = 5e7, np.array([0, 1, 4095, 2**20 - 1, 2**24 - 1])
    rounded = 1.0 / (theta ** (np.arange(0, WIDTH, 2)[: WIDTH // 2].astype(np.float32) / WIDTH))
    expected = np.outer(position, rounded).astype(np.float32)
    np.testing.assert_array_equal(angles(WIDTH, theta, None, "float32")(jnp.asarray(position, jnp.int32)), expected)
