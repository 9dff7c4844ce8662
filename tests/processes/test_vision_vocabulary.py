"""A second vocabulary: which table embeds a token, which head scores a target, and one normaliser for both."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.batch import Batch, batch_names
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import TrainProgram, make_program
from support.builders import a_run
from support.dense_attention import dense

LENGTH, ROWS, TEXT, CODES = 32, 4, 128, 48
TEXT_MODEL = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "head_dim": 8, "mlp_width": 48, "vocab_size": TEXT}
MODEL = TEXT_MODEL | {"vision": {"vocab_size": CODES}}


def run(model: dict[str, Any], accumulation: int = 1) -> config.RunConfig:
    return a_run(
        mesh={"fsdp": 2, "sp": 2, "tp": 2},
        model=model,
        context_length=LENGTH,
        batch_tokens=ROWS * LENGTH,
        optimizer={"clip_norm": 1000.0, "beta1": 0.5},
        memory={"gradient_accumulation_steps": accumulation},
        loss={"z_loss_weight": 0.01},
    )


@cache
def program(vision: bool, accumulation: int = 1) -> TrainProgram:
    wanted = run(MODEL if vision else TEXT_MODEL, accumulation)
    return make_program(wanted, make_mesh(wanted.mesh))


def arrays(mixed: bool) -> dict[str, Any]:
    """Rows of one document, half of whose tokens and targets are codes, in no order that the two share, or all text."""
    random = np.random.default_rng(0)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    vision, target_vision = ((random.random(index.shape) < 0.5 * mixed).astype(np.int32) for _ in range(2))
    tokens, targets = (
        np.where(of, random.integers(0, CODES, index.shape), random.integers(0, TEXT, index.shape)) for of in (vision, target_vision)
    )
    return {
        "tokens": tokens.astype(np.int32),
        "targets": targets.astype(np.int32),
        "positions": index,
        "index": index,
        "start": np.zeros_like(index),
        "weights": random.random(index.shape).astype(np.float32) * np.where(target_vision, 3, 1).astype(np.float32),
        "vision": vision,
        "target_vision": target_vision,
    }


def step(vision: bool, rows: dict[str, Any], accumulation: int = 1) -> tuple[dict[str, float], Any, Any]:
    """(metrics, parameters before, gradients)."""
    wanted, made = run(MODEL if vision else TEXT_MODEL, accumulation), program(vision, accumulation)
    order = column_orders(wanted.mesh, rows["start"])
    names = batch_names(wanted.model)
    planned = {name: jax.device_put(np.take_along_axis(rows[name], order, axis=1), made.batch_sharding) for name in names}
    state = made.init(jax.random.key(0))
    before = jax.tree.map(np.asarray, state["params"])
    state, metrics = made.train_step(state, Batch(**planned))  # type: ignore[typeddict-item]
    gradients = jax.tree.map(lambda mean: np.asarray(mean) / 0.5, optax.tree.get(state["optimizer"], "mu"))
    return {name: float(value) for name, value in metrics.items()}, before, gradients  # type: ignore[arg-type]


def plain(params: Any, rows: dict[str, Any]) -> tuple[Array, Array]:
    """(what is minimised, cross-entropy): text and codes as one vocabulary of a text model, all logits at once, dense attention."""
    both = config.Model(**(TEXT_MODEL | {"vocab_size": TEXT + CODES}))
    ends = params["ends"]
    joined = {
        "embedding": jnp.concatenate([ends["embedding"], ends["vision_embedding"]]),
        "norm": ends["norm"],
        "head": jnp.zeros((32, TEXT + CODES)),
    }
    hidden = llama.hidden_states(
        both,
        {"ends": joined, "layers": params["layers"]},
        jnp.array(rows["tokens"] + TEXT * rows["vision"]),
        jnp.array(rows["positions"]),
        1e4,
        lambda q, k, v: dense(q, k, v, jnp.array(rows["start"])),
        lambda x: x,
    )
    minimised, entropy = jnp.zeros(()), jnp.zeros(())
    for head, mask in ((ends["head"], rows["target_vision"] == 0), (ends["vision_head"], rows["target_vision"] == 1)):
        logits = hidden @ head
        lse = jax.nn.logsumexp(logits, axis=-1)
        score = jnp.take_along_axis(logits, np.where(mask, rows["targets"], 0)[..., None], axis=-1)[..., 0]
        weight = np.where(mask, rows["weights"], 0) / rows["weights"].sum()
        entropy += jnp.sum(weight * (lse - score))
        minimised += jnp.sum(weight * (lse - score + 0.01 * lse**2))
    return minimised, entropy


@pytest.mark.parametrize("accumulation", [1, 2])
def test_loss_and_gradients_of_mixed_rows_are_those_of_a_dense_writing(accumulation: int) -> None:
    rows = arrays(mixed=True)
    metrics, params, gradients = step(True, rows, accumulation)
    (_, entropy), wanted = jax.value_and_grad(plain, has_aux=True)(params, rows)
    np.testing.assert_allclose(metrics["loss"], entropy, rtol=1e-5)
    for actual, expected in zip(jax.tree.leaves(gradients), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-5 * float(np.abs(expected).max()))


def test_a_model_with_a_vision_vocabulary_reads_text_as_the_text_model_of_the_same_seed_does() -> None:
    rows = arrays(mixed=False)
    metrics, params, gradients = step(True, rows)
    text_metrics, text_params, text_gradients = step(False, rows)
    np.testing.assert_allclose(metrics["loss"], text_metrics["loss"], rtol=1e-6)
    for name in ("vision_embedding", "vision_head"):
        assert not gradients["ends"].pop(name).any()
        params["ends"].pop(name)
    jax.tree.map(np.testing.assert_array_equal, params, text_params)
    for actual, expected in zip(jax.tree.leaves(gradients), jax.tree.leaves(text_gradients), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * float(np.abs(expected).max()))


def test_which_tokens_are_vision_is_part_of_the_record() -> None:
    rows = arrays(mixed=True)
    other = rows | {"vision": 1 - rows["vision"], "tokens": rows["tokens"] % CODES}
    same = rows | {"tokens": rows["tokens"] % CODES}
    assert step(True, other)[0]["tokens_hash"] != step(True, same)[0]["tokens_hash"]
