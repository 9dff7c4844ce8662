"""The step: what the decoder gets is what it will get at inference, and gradients pass the quantiser."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pydantic
import pytest

from lwm_trainer.vision import vqgan
from lwm_trainer.vision.training.recipe import SMALL, TrainingRecipe
from lwm_trainer.vision.training.train import STEP
from lwm_trainer.vision.training.training_step import exported, init_state, rotate_to
from support.tiny_vqgan import TINY

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), np.uint8)


def test_the_rotation_gives_the_target_and_turns_the_gradient() -> None:
    random = np.random.default_rng(1)
    vectors, targets, seen = (jnp.asarray(random.normal(size=(6, 4)), jnp.float32) for _ in range(3))
    moved, pull = jax.vjp(lambda each: rotate_to(each, targets), vectors)
    np.testing.assert_allclose(moved, targets, rtol=1e-6)
    (gradient,) = pull(seen)
    for vector, target, above, below in zip(vectors, targets, seen, gradient, strict=True):
        vector, target = np.asarray(vector, np.float64), np.asarray(target, np.float64)
        a, b = vector / np.linalg.norm(vector), target / np.linalg.norm(target)
        middle = (a + b) / np.linalg.norm(a + b)
        rotation = np.eye(4) - 2 * np.outer(middle, middle) + 2 * np.outer(b, a)
        np.testing.assert_allclose(rotation @ a, b, atol=1e-6)
        np.testing.assert_allclose(below, np.linalg.norm(target) / np.linalg.norm(vector) * rotation.T @ np.asarray(above), atol=1e-4)


def test_a_step_moves_all_that_is_trained_and_the_export_makes_its_codes() -> None:
    recipe = TrainingRecipe(tokenizer=TINY, steps=40, batch=4)
    state = init_state(recipe)
    after, _ = STEP(recipe, False, state, FRAMES, [])
    moved = jax.tree.map(lambda before, now: bool(np.any(before != now)), state["params"], after["params"])
    assert all(jax.tree.leaves(moved)), moved
    np.testing.assert_array_equal(after["table"], state["table"])
    _, metrics = STEP(recipe, False, after, FRAMES, [])
    params = exported(after | {"ema": after["params"]})
    codes = jax.jit(lambda frames: vqgan.encode(TINY, params, frames.astype(jnp.float32) / 127.5 - 1))(FRAMES)
    np.testing.assert_array_equal(codes.ravel(), metrics["codes"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"perceptual": {"weights": "vgg.safetensors"}}, "perceptual: VGG16 needs frames of 16 pixels a side, not 8: remove it"),
        ({"discriminator": {"startStep": 5, "layers": 2}}, r"discriminator.layers: frames of 8 pixels cannot be halved 2 times: lower it"),
        ({"discriminator": {"startStep": 40, "layers": 1}}, r"discriminator.startStep: 40 is not below steps, 40: lower it"),
    ],
)
def test_losses_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        TrainingRecipe.model_validate({"tokenizer": TINY, "steps": 40, **settings})


def test_cosine_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match="cosine can be imported, but not trained: set nearest or fsq"):
        TrainingRecipe(tokenizer=TINY.model_copy(update={"quantiser": "cosine"}))


def test_the_small_tokenizer_is_small() -> None:
    parameters = sum(leaf.size for leaf in jax.tree.leaves(vqgan.init(SMALL, 0)))
    assert 4 * parameters < 2_000_000
    assert SMALL.codes_per_frame == 64
