"""A stage on fewer devices, which keep its batch by accumulation: the same tokens and, but for the order of sums, the same losses."""

from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from lwm_trainer import config
from lwm_trainer.data.documents.in_memory import InMemoryDocuments
from lwm_trainer.data.rows.loader import Batches
from lwm_trainer.parallel.mesh import AXIS_NAMES
from lwm_trainer.step.global_batch import GlobalBatches
from lwm_trainer.step.train_step import State, TrainProgram, make_program
from support.builders import a_run

LENGTH, ROWS, STEPS = 64, 8, 4
ACCUMULATION = {4: 1, 2: 2, 1: 4}
"""By devices: two rows are computed at once on each."""
CODES = 48


def run(devices: int) -> config.RunConfig:
    return a_run(
        gang=a_run().gang.model_copy(update={"devices_per_host": devices}),
        mesh={"fsdp": devices},
        model={**a_run().model.model_dump(), "vision": {"vocab_size": CODES}},
        batch_tokens=ROWS * LENGTH,
        memory={"gradient_accumulation_steps": ACCUMULATION[devices]},
        loss={"weighting": "examples", "modalities": {}},
        steps=STEPS,
    )


@cache
def documents() -> InMemoryDocuments:
    """A few hundred, of lengths from a token to several rows; a stretch of some is vision's."""
    random = np.random.default_rng(0)
    sizes = random.lognormal(3.0, 1.0, 300).astype(np.int64) + 1
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
    vision = (place % 20 >= np.repeat(random.integers(5, 25, len(sizes)), sizes)) & (place > 0)
    return InMemoryDocuments(random.integers(0, CODES, offsets[-1]).astype(np.int32), offsets, None, vision)


@cache
def program(devices: int) -> tuple[TrainProgram, GlobalBatches]:
    run_config = run(devices)
    placed = np.array(jax.devices()[:devices]).reshape(1, devices, 1, 1, 1)
    compiled = make_program(run_config, jax.sharding.Mesh(placed, AXIS_NAMES))
    return compiled, GlobalBatches(run_config, run_config.mesh, Batches(run_config, {"d": documents()}), compiled.batch_sharding)


def train(devices: tuple[int, ...]) -> tuple[list[int], np.ndarray[Any, Any]]:
    """(hashes of the tokens, losses with each modality's) of a stage whose step n runs on `devices[n]`."""
    hashes, losses = [], []
    state: State | None = None
    for step, count in enumerate(devices):
        compiled, feed = program(count)
        shardings = jax.tree.map(lambda leaf: leaf.sharding, compiled.abstract_state)
        state = compiled.init(jax.random.key(0)) if state is None else jax.device_put(jax.tree.map(np.asarray, state), shardings)
        state, metrics = compiled.train_step(state, feed.batch(step))
        hashes.append(int(metrics["tokens_hash"]))
        losses.append([float(metrics[name]) for name in ("loss", "text_loss", "vision_loss")])
    return hashes, np.array(losses)


@cache
def undisturbed() -> tuple[list[int], np.ndarray[Any, Any]]:
    return train((4,) * STEPS)


@pytest.mark.parametrize("devices", [(2,) * STEPS, (1,) * STEPS, (2, 4, 1, 1)])
def test_fewer_devices_draw_the_same_tokens_and_have_the_same_losses(devices: tuple[int, ...]) -> None:
    hashes, losses = train(devices)
    assert hashes == undisturbed()[0]
    assert len(set(hashes)) == STEPS
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(losses, undisturbed()[1], rtol=1e-6)
