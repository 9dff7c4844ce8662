import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer import loss
from lwm_trainer.config import Mesh
from lwm_trainer.mesh import RING_AXES, make_mesh


@pytest.mark.parametrize("mesh", [Mesh(sp=8), Mesh(fsdp=2, sp=2, tp=2), Mesh(dp=2, tp=4)])
def test_chunks_and_shards_give_the_plain_cross_entropy_and_its_gradients(mesh: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "LARGEST_CHUNK", 4)
    random = np.random.default_rng(1)
    stream, head = random.standard_normal((4, 16, 8), dtype=np.float32), random.standard_normal((8, 64), dtype=np.float32)
    target, weight = random.integers(0, 64, (4, 16), dtype=np.int32), random.random((4, 16), dtype=np.float32)
    device_mesh = make_mesh(mesh)

    def plain(stream: Array, head: Array) -> Array:
        logits = jnp.matmul(stream, head, precision="highest")
        picked = jnp.take_along_axis(jax.nn.log_softmax(logits), jnp.array(target)[..., None], axis=-1)[..., 0]
        return -jnp.sum(weight * picked)

    def ours(stream: Array, head: Array) -> Array:
        return loss.weighted_loss(device_mesh, RING_AXES, stream, head, jnp.array(target), jnp.array(weight))

    found, grads = jax.jit(jax.value_and_grad(ours, argnums=(0, 1)))(stream, head)
    expected, wanted = jax.value_and_grad(plain, argnums=(0, 1))(stream, head)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for one, other in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
