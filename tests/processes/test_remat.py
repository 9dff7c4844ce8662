"""What a layer keeps changes memory and work, and nothing else."""

from functools import cache, partial
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh, Model, Remat
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import SAVED_NAMES, ring_attention

MODEL = Model(layers=2, width=32, heads=4, kv_heads=2, head_dim=8, mlp_width=48, vocab_size=64)
LENGTH = 32
INDEX = np.tile(np.arange(LENGTH, dtype=np.int32), (2, 1))


def loss(remat: Remat, params: Any) -> Array:
    index = jnp.array(INDEX)
    attend = ring_attention(make_mesh(Mesh(dp=2, sp=4)), RING_AXES, index, jnp.zeros_like(index))
    tokens = index % MODEL.vocab_size
    hidden = llama.hidden_states(MODEL, params, tokens, index, 100.0, attend, lambda x: x, remat, SAVED_NAMES)
    return jnp.square(hidden - 1).sum()


@cache
def compiled(remat: Remat) -> Any:
    shape = jax.eval_shape(partial(llama.init, MODEL), jax.random.key(0))
    return jax.jit(jax.grad(partial(loss, remat))).lower(shape).compile()


def counted(remat: Remat, operation: str) -> int:
    return int(compiled(remat).as_text().count(f" {operation}("))


def test_only_the_policy_full_runs_the_ring_again() -> None:
    permutes = {remat: counted(remat, "collective-permute") for remat in get_args(Remat)}
    once = permutes["none"]
    keys_and_values = 2  # what a forward ring sends
    assert permutes == {"none": once, "products": once, "qkv": once, "attention": once, "offload": once, "full": once + keys_and_values}


def test_each_policy_computes_again_what_it_does_not_keep_and_no_more() -> None:
    products = {remat: counted(remat, "dot") for remat in get_args(Remat)}
    kept = products["none"]
    mlp, projections = 3, 3  # attention's output, gate, up; queries, keys, values
    assert products["products"] == kept
    assert products["qkv"] == kept + mlp
    assert products["attention"] == products["offload"] == kept + mlp + projections
    assert products["full"] > products["attention"]


@pytest.mark.parametrize("remat", get_args(Remat))
def test_the_gradients_do_not_depend_on_the_policy(remat: Remat) -> None:
    params = llama.init(MODEL, jax.random.key(0))
    for actual, expected in zip(jax.tree.leaves(compiled(remat)(params)), jax.tree.leaves(compiled("none")(params)), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6 * float(np.abs(expected).max()))
