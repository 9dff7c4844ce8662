"""Codes against a search in float64."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm_trainer.vision import quantiser


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_the_nearest_code_is_that_of_float64(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    vectors = (scale * random.normal(size=(40, 6))).astype(np.float32)
    table = (scale * random.normal(size=(17, 6))).astype(np.float32)
    codes = np.asarray(quantiser.nearest(jnp.asarray(vectors), jnp.asarray(table)))
    distances = np.sum((vectors[:, None].astype(np.float64) - table) ** 2, axis=-1)
    assert codes.dtype == np.int32
    chosen, best = distances[np.arange(40), codes], distances.min(axis=1)
    np.testing.assert_allclose(chosen, best, atol=1e-5 * scale**2)
    assert (codes == distances.argmin(axis=1)).mean() > 0.9


def test_of_equal_distances_the_lowest_code_is_taken() -> None:
    table = jnp.array([[1.0, 0], [0, 1], [0, 1]])
    assert quantiser.nearest(jnp.array([[0.0, 1]]), table).tolist() == [1]


@pytest.mark.parametrize("levels", [(8, 8, 8, 4, 4), (5, 3, 7), (8, 6, 5)])
def test_each_fsq_vector_has_its_own_code(levels: tuple[int, ...]) -> None:
    table = quantiser.fsq_table(levels)
    assert table.shape == (np.prod(levels), len(levels))
    assert len(np.unique(table, axis=0)) == len(table)
    assert (table.min(), table.max() <= 1) == (-1, True)
    # The inverse of the bound: a latent that is bounded to exactly the level.
    count = np.array(levels, np.float64)
    half, offset = (count - 1) * (1 - quantiser.FSQ_MARGIN) / 2, np.where(count % 2 == 0, 0.5, 0)
    latents = np.arctanh(np.clip((table * (count // 2) + offset) / half, -0.9999, 0.9999)) - np.arctanh(offset / half)
    codes = np.asarray(quantiser.fsq_codes(jnp.asarray(latents, jnp.float32), levels))
    assert codes.tolist() == list(range(len(table)))


def test_a_latent_of_zero_is_the_level_zero() -> None:
    levels = (8, 8, 8, 4, 4)
    code = int(quantiser.fsq_codes(jnp.zeros((1, 5)), levels)[0])
    assert quantiser.fsq_table(levels)[code].tolist() == [0] * 5
