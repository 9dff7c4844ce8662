"""Accumulated gradients are those of the whole batch, and no row leaves its device."""

import re
from collections import Counter
from functools import cache
from typing import Any, cast

import jax
import numpy as np
import optax
import pytest
from jax.sharding import NamedSharding

from lwm_trainer.parallel.mesh import TOKENS, make_mesh
from lwm_trainer.step import gradient_accumulation
from lwm_trainer.step.batch import Batch, abstract_batch
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import make_program
from support.builders import a_run

LENGTH, ROWS = 96, 16
COLLECTIVE = re.compile(r"= (.*?) (all-gather|all-to-all|collective-permute|reduce-scatter|all-reduce)\(")
MESHES = [{"fsdp": 8}, {"dp": 2, "fsdp": 2, "sp": 2}]


def run(parts: int, mesh: dict[str, int], rows: int = ROWS) -> Any:
    return a_run(mesh=mesh, context_length=LENGTH, batch_tokens=rows * LENGTH, memory={"gradient_accumulation_steps": parts}, steps=1)


@cache
def step(parts: int, axes: tuple[tuple[str, int], ...], rows: int = ROWS) -> tuple[Any, Any]:
    """(program, compiled step)."""
    wanted = run(parts, dict(axes), rows)
    program = make_program(wanted, make_mesh(wanted.mesh))
    compiled = cast("Any", program.train_step).lower(program.abstract_state, abstract_batch(wanted, program.batch_sharding)).compile()
    return program, compiled


def train(parts: int, mesh: dict[str, int]) -> tuple[Any, Any]:
    """(the mean of gradients in the optimizer, metrics) behind a step on rows of very different weights; half of each shard's have none."""
    program, compiled = step(parts, tuple(mesh.items()))
    random = np.random.default_rng(0)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    start = np.where(index < 40, 0, 40).astype(np.int32)
    tokens = random.integers(0, 128, index.shape, dtype=np.int32)
    shards = mesh.get("dp", 1) * mesh["fsdp"]
    first_half = np.arange(ROWS) % (ROWS // shards) < ROWS // shards // 2
    weights = np.where(first_half[:, None], 0.0, random.random(index.shape) * np.arange(ROWS)[:, None]).astype(np.float32)
    arrays = {
        "tokens": tokens,
        "targets": np.roll(tokens, -1, 1),
        "positions": index - start,
        "index": index,
        "start": start,
        "weights": weights,
    }
    order = column_orders(run(parts, mesh).mesh, start)
    planned = {name: np.take_along_axis(array, order, axis=1) for name, array in arrays.items()}
    batch = Batch(**{name: jax.device_put(array, program.batch_sharding) for name, array in planned.items()})  # type: ignore[typeddict-item]
    state, metrics = compiled(program.init(jax.random.key(0)), batch)
    return optax.tree.get(state["optimizer"], "mu"), metrics


@pytest.mark.parametrize("mesh", MESHES)
def test_a_step_in_parts_is_the_step_at_once_even_where_a_part_has_no_weight(mesh: dict[str, int]) -> None:
    (gradients, metrics), (accumulated, found_metrics) = train(1, mesh), train(2, mesh)
    np.testing.assert_allclose(found_metrics["loss"], metrics["loss"], rtol=1e-6)
    np.testing.assert_allclose(found_metrics["grad_norm"], metrics["grad_norm"], rtol=1e-5)
    assert int(found_metrics["tokens_hash"]) == int(metrics["tokens_hash"])
    for one, other in zip(jax.tree.leaves(accumulated), jax.tree.leaves(gradients), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * float(np.abs(other).max()))


@pytest.mark.parametrize("mesh", MESHES)
def test_cutting_the_rows_moves_none_to_another_device_and_each_part_has_some_of_every_shard(mesh: dict[str, int]) -> None:
    rows = NamedSharding(make_mesh(a_run(mesh=mesh).mesh), TOKENS)
    numbers = jax.device_put(np.tile(np.arange(ROWS, dtype=np.int32)[:, None], (1, LENGTH)), rows)
    cut = jax.jit(lambda x: gradient_accumulation.split_rows(x, 2, rows)).lower(numbers).compile()
    assert not COLLECTIVE.findall(cut.as_text() or "")
    shards = mesh.get("dp", 1) * mesh["fsdp"]
    own = np.arange(ROWS).reshape(shards, 2, -1)
    np.testing.assert_array_equal(np.asarray(cut(numbers))[:, :, 0], [own[:, 0].ravel(), own[:, 1].ravel()])


@pytest.mark.parametrize("mesh", MESHES)
def test_a_part_moves_what_a_batch_of_its_size_moves_and_nothing_else(mesh: dict[str, int]) -> None:
    def moved(parts: int, rows: int) -> Counter[tuple[str, str]]:
        accumulated = COLLECTIVE.findall(step(parts, tuple(mesh.items()), rows)[1].as_text())
        return Counter(each for each in accumulated if each[1] != "all-reduce")

    in_parts, small = moved(2, ROWS), moved(1, ROWS // 2)
    assert set(in_parts) <= set(small), in_parts - small
    assert in_parts.total() <= small.total()
