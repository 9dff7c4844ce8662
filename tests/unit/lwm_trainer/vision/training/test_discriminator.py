"""The discriminator judges each crop by itself, its losses are hinges, and the adaptive weight makes two gradients equally long."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.vision.training import discriminator
from lwm_trainer.vision.training.recipe import Discriminator

SETTINGS = Discriminator(start_step=0, width=4, layers=2)
PARAMS = discriminator.init_discriminator(SETTINGS, 0)
FRAMES = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 3)), jnp.float32)


def test_each_crop_is_judged_by_itself() -> None:
    assert discriminator.layer_channels(Discriminator(width=64, layers=5)) == [64, 128, 256, 512, 512, 512, 1]
    together = discriminator.judge(PARAMS, FRAMES)
    assert together.shape == (3, 2, 2, 1)
    np.testing.assert_allclose(discriminator.judge(PARAMS, FRAMES[1:2]), together[1:2], atol=1e-7)


def test_the_losses_are_hinges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discriminator, "judge", lambda params, values: values)
    true, made = jnp.array([2.0, 0.5, -1.0]), jnp.array([-3.0, 0.0, 1.0])
    # Shortfalls 0, 0.5 and 2; excesses 0, 1 and 2.
    assert float(discriminator.discriminator_loss({}, true, made)) == pytest.approx(0.5 * (2.5 / 3 + 1.0))
    assert float(discriminator.adversarial_loss({}, made)) == pytest.approx(2 / 3)


def test_the_adaptive_weight_makes_gradients_equal() -> None:
    long, short = jnp.array([3.0, 4.0]), jnp.array([0.0, 0.5])
    assert float(discriminator.adaptive_weight(long, short)) == pytest.approx(5 / 0.5001)
    assert float(discriminator.adaptive_weight(long, jnp.zeros(2))) == pytest.approx(1e4)
    assert jax.grad(lambda each: discriminator.adaptive_weight(each, short))(long).tolist() == [0, 0]
