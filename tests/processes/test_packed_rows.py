"""Training on packed rows is training on the same examples, each padded in a row of its own, by the loss of LWM's code."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import Array

from lwm_trainer import config
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.batch import Batch, batch_names
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import TrainProgram, make_program
from lwm_trainer.step.validation_step import make_validation_step
from support.builders import a_run
from support.dense_attention import dense

LENGTH, ROWS, TEXT, CODES, THETA = 64, 4, 128, 48, 1e4
MODEL = {"layers": 2, "width": 32, "heads": 4, "kv_heads": 2, "head_dim": 8, "mlp_width": 48, "vocab_size": TEXT}
TOLERANCE = 1e-5
"""For losses, and for gradients relative to the largest of their array."""

EXAMPLES = [
    (64, range(0), "all"),
    (40, range(28), "all"),
    (33, range(13, 33), "all"),
    (24, range(4, 20), "text"),
    (21, range(1, 21), "all"),
    (17, range(0), "all"),
    (16, range(0), "some"),
    (14, range(2, 5), "some"),
    (12, range(0), "some"),
    (9, range(0), "all"),
    (3, range(1, 3), "all"),
    (2, range(0), "all"),
]
"""Tokens, which of them are codes, which count: four rows, as full as can be. Most are longer than a chunk of a rank of the ring.

Each has a target: documents without any are left out before packing."""
BATCHES = {"vision and text": EXAMPLES, "text": [(size, range(0), counts) for size, _, counts in EXAMPLES]}


@cache
def documents(name: str) -> InMemoryDocuments:
    """The examples with random tokens."""
    random, vision, loss = np.random.default_rng(3), [], []
    for size, codes, counts in BATCHES[name]:
        place = np.arange(size)
        vision.append(np.isin(place, codes))
        loss.append({"all": place > 0, "text": ~vision[-1], "some": place % 3 == 1}[counts] & (place > 0))
    flat = np.concatenate(vision)
    tokens = np.where(flat, random.integers(0, CODES, flat.shape), random.integers(0, TEXT, flat.shape)).astype(np.int32)
    offsets = np.cumsum([0, *(size for size, _, _ in BATCHES[name])], dtype=np.int64)
    return InMemoryDocuments(tokens, offsets, np.concatenate(loss), flat)


def run(mesh: dict[str, int], accumulation: int, loss: dict[str, Any]) -> config.RunConfig:
    return a_run(
        mesh=mesh,
        model=MODEL | {"vision": {"vocab_size": CODES}},
        context_length=LENGTH,
        batch_tokens=ROWS * LENGTH,
        rope_theta=THETA,
        optimizer={"clip_norm": 1000.0, "beta1": 0.5},
        memory={"gradient_accumulation_steps": accumulation},
        loss=loss,
    )


@cache
def program(mesh: tuple[tuple[str, int], ...], accumulation: int, absent: str) -> tuple[config.RunConfig, TrainProgram]:
    wanted = run(dict(mesh), accumulation, {"weighting": "examples", "modalities": {}, "missing_modality": absent})
    return wanted, make_program(wanted, make_mesh(wanted.mesh))


def step(wanted: config.RunConfig, made: TrainProgram, rows: dict[str, Any]) -> tuple[dict[str, float], Any]:
    """(metrics, gradients) of a training step on the rows."""
    order = column_orders(wanted.mesh, rows["start"])
    names = batch_names(wanted.model)
    planned = {name: jax.device_put(np.take_along_axis(rows[name], order, axis=1), made.batch_sharding) for name in names}
    state = made.init(jax.random.key(0))
    state, metrics = made.train_step(state, Batch(**planned))  # type: ignore[typeddict-item]
    gradients = jax.tree.map(lambda mean: np.asarray(mean) / 0.5, optax.tree.get(state["optimizer"], "mu"))
    return {name: float(value) for name, value in metrics.items()}, gradients  # type: ignore[arg-type]


def padded(name: str) -> dict[str, np.ndarray[Any, Any]]:
    """Each example in a row of its own, [examples, LENGTH], padded on the right."""
    examples, size = documents(name), len(BATCHES[name])
    rows = {key: np.zeros((size, LENGTH), np.int32) for key in ("tokens", "vision", "targets", "target_vision", "counts")}
    for row, (begin, end) in enumerate(zip(examples.offsets[:-1], examples.offsets[1:], strict=True)):
        assert examples.vision_mask is not None
        assert examples.loss_mask is not None
        rows["tokens"][row, : end - begin], rows["vision"][row, : end - begin] = examples.tokens[begin:end], examples.vision_mask[begin:end]
        targets = slice(begin + 1, end)
        for key, values in (("targets", examples.tokens), ("target_vision", examples.vision_mask), ("counts", examples.loss_mask)):
            rows[key][row, : end - begin - 1] = values[targets]
    return rows


def log_likelihoods(params: Any, rows: dict[str, Any]) -> Iterator[tuple[Array, Array]]:
    """Which targets of padded rows count, and the log-likelihoods of all, [examples, LENGTH]: those of text, then those of vision."""
    hidden = llama.hidden_states(
        config.Model(**(MODEL | {"vision": {"vocab_size": CODES}})),
        params,
        jnp.array(rows["tokens"]),
        jnp.tile(jnp.arange(LENGTH), (len(rows["tokens"]), 1)),
        THETA,
        lambda q, k, v: dense(q, k, v, jnp.zeros(rows["tokens"].shape, jnp.int32)),
        lambda x: x,
        vision_BT=jnp.array(rows["vision"] == 1),
    )
    for head, targets in ((params["ends"]["head"], 0), (params["ends"]["vision_head"], 1)):
        valid = jnp.array((rows["counts"] == 1) & (rows["target_vision"] == targets))
        log_probability = jax.nn.log_softmax(jnp.matmul(hidden, head, precision="highest"))
        picked = jnp.take_along_axis(log_probability, jnp.where(valid, rows["targets"], 0)[..., None], axis=-1)[..., 0]
        yield valid, picked


def lwm(params: Any, rows: dict[str, Any], absent: str) -> Array:
    """LWM's loss of padded rows: a mean over each row's targets of a modality, then over rows, half of either modality."""
    total = jnp.zeros(())
    for valid, picked in log_likelihoods(params, rows):
        of_row = -jnp.where(valid, picked, 0).sum(-1) / jnp.maximum(valid.sum(-1), 1e-10)
        total += 0.5 * (of_row.mean() if absent == "count" else of_row.sum() / jnp.maximum(valid.any(-1).sum(), 1))
    return total


def apart(gradients: Any, expected_gradients: Any) -> float:
    """The largest distance of two gradients, each array's relative to its greatest."""
    pairs = zip(jax.tree.leaves(gradients), jax.tree.leaves(expected_gradients), strict=True)
    return max(float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-30)) for one, other in pairs)


RING = (("fsdp", 2), ("sp", 2), ("tp", 2))


@cache
def expected(name: str, absent: str) -> tuple[Any, Any]:
    """(loss, gradients) of the padded rows, at the parameters that every step here begins with."""
    model = config.Model(**(MODEL | {"vision": {"vocab_size": CODES}}))
    rows = padded(name)
    return jax.jit(jax.value_and_grad(lambda params: lwm(params, rows, absent)))(llama.init(model, jax.random.key(0)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "mesh", "accumulation", "absent"), [
    ("vision and text", RING, 1, "skip"),
    ("vision and text", RING, 1, "count"),
    ("vision and text", RING, 2, "count"),
    ("vision and text", (("dp", 2), ("fsdp", 2), ("sp", 2)), 1, "skip"),
    ("text", RING, 1, "skip"),
    ("text", RING, 1, "count"),
])  # fmt: skip
def test_packed_rows_train_as_padded_ones(name: str, mesh: tuple[tuple[str, int], ...], accumulation: int, absent: str) -> None:
    wanted, made = program(mesh, accumulation, absent)
    batches = Batches(wanted, {"d": documents(name)})
    assert batches.fill > 0.99
    metrics, gradients = step(wanted, made, batches.batch(0))
    loss, wanted_gradients = expected(name, absent)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=TOLERANCE)
    assert apart(gradients, wanted_gradients) < TOLERANCE


@pytest.mark.parametrize("mesh", [RING, (("dp", 2), ("fsdp", 2), ("sp", 2))])
def test_validation_sums_the_same_losses_by_modality_and_position(mesh: tuple[tuple[str, int], ...]) -> None:
    """Whatever weighs examples in training, every target counts alike."""
    wanted, made = program(mesh, 1, "skip")
    rows = Batches(wanted, {"d": documents("vision and text")}).batch(0)
    order = column_orders(wanted.mesh, rows["start"])
    batch = {name: jax.device_put(np.take_along_axis(rows[name], order, axis=1), made.batch_sharding) for name in batch_names(wanted.model)}
    params = made.init(jax.random.key(0))["params"]
    sums = make_validation_step(wanted, make_mesh(wanted.mesh))(params, Batch(**batch))  # type: ignore[typeddict-item]
    digits = np.array([position.bit_length() for position in range(LENGTH)])
    dense_params = llama.init(config.Model(**(MODEL | {"vision": {"vocab_size": CODES}})), jax.random.key(0))
    for modality, (valid, picked) in zip(sums, log_likelihoods(dense_params, padded("vision and text")), strict=True):
        by_position = [(np.asarray(valid)[:, digits == number], np.asarray(picked)[:, digits == number]) for number in range(7)]
        assert sums[modality].targets_K.tolist() == [counted.sum() for counted, _ in by_position]
        entropies = [-values[counted].sum() for counted, values in by_position]
        np.testing.assert_allclose(sums[modality].entropy_K, entropies, rtol=TOLERANCE)


@pytest.mark.parametrize("naive", ["documents see each other", "all targets weigh the same", "absent modalities dilute the mean"])
def test_naive_packing_trains_otherwise(naive: str) -> None:
    wanted, made = program(RING, 1, "skip")
    rows = Batches(wanted, {"d": documents("vision and text")}).batch(0)
    if naive == "documents see each other":
        rows["start"] = np.where(rows["start"] > rows["index"], rows["start"], 0)
    elif naive == "all targets weigh the same":
        rows["weights"] = (rows["weights"] > 0).astype(np.float32)
    _, gradients = step(wanted, made, rows)
    absent = "count" if naive == "absent modalities dilute the mean" else "skip"
    assert apart(gradients, expected("vision and text", absent)[1]) > 1000 * TOLERANCE
