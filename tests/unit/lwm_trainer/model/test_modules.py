"""Where tensor parallelism has more devices than the model has key heads, outputs and gradients are those of one device."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.ring.attention import ring_attention
from support.tiny_models import one_device_mesh, random_params

MODEL = config.Model(layers=1, width=16, heads=4, kv_heads=2, head_dim=4, mlp_width=16, vocab_size=16)
ROWS, TOKENS = 2, 16


def outputs_and_gradients(device_mesh: jax.sharding.Mesh) -> Any:
    tokens = jnp.asarray(np.random.default_rng(0).integers(0, MODEL.vocab_size, (ROWS, TOKENS), dtype=np.int32))
    place = jnp.tile(jnp.arange(TOKENS), (ROWS, 1))
    attend = ring_attention(device_mesh, mesh.RING_AXES, place, jnp.where(place < 10, 0, 10))

    def loss(params: llama.Params) -> Any:
        copies = config.key_head_copies(MODEL, device_mesh.shape["tp"])
        hidden = llama.hidden_states(MODEL, params, tokens, place, 100.0, attend, lambda x: x, key_head_copies=copies)
        return jnp.sum(jnp.sin(hidden)), hidden

    program = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options={"xla_backend_optimization_level": 0})
    return program(random_params(MODEL, device_mesh))


def test_key_heads_that_several_devices_compute_change_neither_outputs_nor_gradients() -> None:
    expected = outputs_and_gradients(one_device_mesh())
    shared = outputs_and_gradients(mesh.make_mesh(config.Mesh(tp=4, fsdp=2)))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5), shared, expected)
