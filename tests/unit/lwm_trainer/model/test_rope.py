"""The frequencies of Llama 3.1 and 3.2, computed by hand from the wavelengths in the reference's formula (theta 500,000)."""

import numpy as np
import pytest

from lwm_trainer.config import RopeScaling
from lwm_trainer.model.rope import frequencies

BY_HAND = {
    # head width, factor: {pair: radians a token}; fast pairs as they are, those of a wavelength over 8,192 tokens slowed, some between
    (128, 8.0): {0: 1.0, 1: 0.814617234, 28: 0.00321144599, 29: 0.00216657076, 34: 0.000178507813, 35: 9.55621235e-05, 63: 3.06892599e-07},
    (64, 32.0): {0: 1.0, 1: 0.663601238, 14: 0.00321144599, 15: 0.00129054793, 17: 9.7082878e-05, 18: 1.94616382e-05, 31: 9.41830673e-08},
}


@pytest.mark.parametrize(("head_dim", "factor"), BY_HAND)
def test_scaled_frequencies_are_those_of_the_llama_that_scales_so(head_dim: int, factor: float) -> None:
    result = frequencies(head_dim, 500_000.0, RopeScaling(type="llama3", factor=factor))
    assert result.dtype == np.float32
    assert result.shape == (head_dim // 2,)
    for pair, expected in BY_HAND[head_dim, factor].items():
        np.testing.assert_allclose(result[pair], expected, rtol=2e-7)


def test_without_scaling_pair_i_turns_by_theta_to_the_minus_2i_over_the_width() -> None:
    np.testing.assert_allclose(frequencies(4, 10_000.0, None), [1.0, 0.01], rtol=1e-7)
    np.testing.assert_allclose(frequencies(8, 16.0, None), [1.0, 0.5, 0.25, 0.125], rtol=1e-7)
