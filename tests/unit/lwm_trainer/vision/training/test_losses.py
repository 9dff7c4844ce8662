"""Losses against loops in NumPy."""

import jax.numpy as jnp
import numpy as np

from lwm_trainer.vision.training import losses


def test_the_gradient_loss_is_that_of_a_loop() -> None:
    difference = np.random.default_rng(0).normal(size=(2, 8, 12, 3)).astype(np.float32)
    total, level = 0.0, difference.astype(np.float64)
    for scale in range(3):
        if scale:
            level = np.mean([level[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=0)
        total += np.abs(level[:, 1:] - level[:, :-1]).mean() + np.abs(level[:, :, 1:] - level[:, :, :-1]).mean()
    np.testing.assert_allclose(losses.gradient_loss(jnp.asarray(difference)), total / 6, rtol=1e-5)
    absolute, loss = losses.reconstruction_loss(jnp.asarray(difference), jnp.zeros(difference.shape), 0.5)
    np.testing.assert_allclose(absolute, np.abs(difference).mean(), rtol=1e-5)
    np.testing.assert_allclose(loss, np.abs(difference).mean() + total / 12, rtol=1e-5)
