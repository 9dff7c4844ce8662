from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.step import loss

RANDOM = np.random.default_rng(1)
STREAM, HEAD = RANDOM.standard_normal((4, 16, 8), dtype=np.float32), RANDOM.standard_normal((8, 64), dtype=np.float32)
TARGET, WEIGHT = RANDOM.integers(0, 64, (4, 16), dtype=np.int32), RANDOM.random((4, 16), dtype=np.float32)
MESHES = [Mesh(sp=8), Mesh(fsdp=2, sp=2, tp=2), Mesh(dp=2, tp=4)]


def plain(stream: Array, head: Array, z_loss_weight: float) -> tuple[Array, Array]:
    logits = jnp.matmul(stream, head, precision="highest")
    picked = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.array(TARGET)[..., None], axis=-1)[..., 0]
    entropy = -jnp.sum(WEIGHT * picked)
    return entropy + z_loss_weight * jnp.sum(WEIGHT * jax.nn.logsumexp(logits, axis=-1) ** 2), entropy


def ours(mesh: Mesh, z_loss_weight: float, stream: Array, head: Array) -> loss.LossSums:
    return loss.weighted_loss(make_mesh(mesh), RING_AXES, stream, head, jnp.array(TARGET), jnp.array(WEIGHT), z_loss_weight)


@pytest.fixture
def _chunks_of_four_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device with a quarter of the vocabulary; of fewer on one with more."""
    monkeypatch.setitem(loss.LOGIT_BYTES, "cpu", 4 * 4 * 16)


@pytest.mark.usefixtures("_chunks_of_four_tokens")
@pytest.mark.parametrize("z_loss_weight", [0.0, 0.1])
@pytest.mark.parametrize("mesh", MESHES)
def test_chunks_and_shards_give_the_plain_cross_entropy_with_z_loss_and_its_gradients(mesh: Mesh, z_loss_weight: float) -> None:
    def both(stream: Array, head: Array) -> tuple[Array, Array]:
        sums = ours(mesh, z_loss_weight, stream, head)
        return 3 * sums.objective + 5 * sums.cross_entropy, sums.cross_entropy

    (value, entropy), grads = jax.jit(jax.value_and_grad(both, argnums=(0, 1), has_aux=True))(STREAM, HEAD)
    (expected, expected_entropy), expected_grads = jax.value_and_grad(
        partial(plain, z_loss_weight=z_loss_weight), argnums=(0, 1), has_aux=True
    )(STREAM, HEAD)
    np.testing.assert_allclose(value, 3 * expected + 5 * expected_entropy, rtol=1e-6)
    np.testing.assert_allclose(entropy, expected_entropy, rtol=1e-6)
    for one, other in zip(grads, expected_grads, strict=True):
        np.testing.assert_allclose(one, 3 * np.asarray(other), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("_chunks_of_four_tokens")
@pytest.mark.parametrize("mesh", MESHES)
def test_the_loss_alone_is_the_loss(mesh: Mesh) -> None:
    sums = jax.jit(lambda stream, head: ours(mesh, 0.1, stream, head))(STREAM, HEAD)
    np.testing.assert_allclose(sums, plain(jnp.array(STREAM), jnp.array(HEAD), 0.1), rtol=1e-6)


def products(function: Any) -> int:
    text = jax.jit(function).lower(STREAM, HEAD).compile().as_text()
    assert text is not None
    return text.count(" dot(")


def test_the_logits_of_a_chunk_are_computed_once_also_for_the_gradients() -> None:
    def value(stream: Array, head: Array) -> Array:
        return ours(Mesh(dp=2, tp=4), 0.1, stream, head).objective

    assert products(value) == 1
    assert products(jax.value_and_grad(value, argnums=(0, 1))) == 3


def test_gradients_of_bfloat16_products_keep_the_float32_head() -> None:
    stream = jnp.array(STREAM, jnp.bfloat16)
    grads = jax.grad(lambda stream, head: ours(Mesh(sp=8), 0.0, stream, head).objective, argnums=(0, 1))(stream, jnp.array(HEAD))
    assert [grad.dtype for grad in grads] == [jnp.bfloat16, jnp.float32]
    _, wanted = jax.grad(lambda stream, head: plain(stream, head, 0.0)[0], argnums=(0, 1))(jnp.array(STREAM), jnp.array(HEAD))
    np.testing.assert_allclose(grads[1], wanted, atol=0.02 * float(np.abs(wanted).max()))
