"""Errors of one whole training step in bfloat16, on meshes of 1, 2 and 8 CPU devices and with each setting that saves memory.

The gradients are those that the trainer's own step gives its optimizer: of a step whose clipping does nothing, the first moment over
`1 - beta1`. CPU devices multiply bfloat16 factors, sum in float32 and round the result, as a TPU does.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple, cast, get_args

import jax
import numpy as np
import optax
from jax.sharding import AxisType

from lwm_trainer import config
from lwm_trainer.parallel.mesh import AXIS_NAMES
from lwm_trainer.step.batch import Batch
from lwm_trainer.step.global_batch import column_orders
from lwm_trainer.step.train_step import TrainProgram, make_program

MODEL = config.Model(layers=4, width=128, heads=8, kv_heads=8, head_dim=16, mlp_width=256, vocab_size=512)
LENGTH, ROWS, DOCUMENT = 256, 8, 160
"""A row has a document of `DOCUMENT` tokens, and one of the rest."""
COMPILER_OPTIONS = {"xla_allow_excess_precision": False, "xla_backend_optimization_level": 0}
"""XLA may leave out roundings to bfloat16 between operations that it fuses, others in each program. Here all are made. LLVM need not
optimize code that runs once."""


class Case(NamedTuple):
    """A mesh and what saves memory on it."""

    mesh: config.Mesh
    memory: config.Memory = config.Memory()


ALONE = Case(config.Mesh())
TOGETHER = Case(config.Mesh(dp=2, fsdp=2, sp=2))


class Step(NamedTuple):
    loss: float
    gradients: list[np.ndarray[Any, Any]]


def cases() -> Iterator[Case]:
    """Every axis by itself and together, then accumulation, tiles and rematerialization."""
    mesh, memory = config.Mesh, config.Memory
    for parts in (2, 8):
        yield Case(mesh(), memory(gradient_accumulation_steps=parts))
    yield Case(mesh(), memory(mlp_tile=64))
    for remat in get_args(config.Remat):
        if remat != ALONE.memory.remat:
            yield Case(mesh(), memory(remat=remat))
    for devices in (2, 8):
        for axes in ({"dp": devices}, {"fsdp": devices}, {"tp": devices}):
            yield Case(mesh(**axes))
        for degree in (1, devices):
            yield Case(mesh(sp=devices, ulysses=degree))
    yield TOGETHER
    yield Case(TOGETHER.mesh, memory(gradient_accumulation_steps=2, mlp_tile=64, remat="qkv"))
    yield Case(mesh(fsdp=2, sp=2, tp=2))


def one_step(case: Case, compute: config.NumberType) -> Step:
    """The loss and gradients of the same batch and parameters on the case's mesh."""
    run = _run(case, compute)
    program = _program(run)
    batch = cast("Batch", {name: jax.device_put(array, program.batch_sharding) for name, array in _arrays(run.mesh).items()})
    state = jax.tree.map(lambda array, leaf: jax.device_put(array, leaf.sharding), _first_state(), program.abstract_state)
    step = cast("Any", program.train_step).lower(state, batch).compile(compiler_options=COMPILER_OPTIONS)
    state, metrics = step(state, batch)
    moments = jax.tree.leaves(optax.tree.get(state["optimizer"], "mu"))
    return Step(float(metrics["loss"]), [np.asarray(moment) / (1 - run.optimizer.beta1) for moment in moments])


def _program(run: config.RunConfig) -> TrainProgram:
    mesh = run.mesh
    devices = np.array(jax.devices()[: mesh.size]).reshape(mesh.dp, mesh.fsdp, mesh.ring, mesh.sp // mesh.ring, mesh.tp)
    return make_program(run, jax.sharding.Mesh(devices, AXIS_NAMES, axis_types=(AxisType.Auto,) * len(AXIS_NAMES)))


@cache
def _first_state() -> Any:
    """The parameters and moments with which every case begins, as arrays of the host."""
    return jax.tree.map(np.asarray, _program(_run(ALONE, "float32")).init(jax.random.key(0)))


def _run(case: Case, compute: config.NumberType) -> config.RunConfig:
    hosts = {"hosts": 1, "devices_per_host": case.mesh.size, "platform": "cpu"}
    fields: dict[str, Any] = {
        "training": "errors",
        "stage": "errors",
        "stage_index": 0,
        "stage_count": 1,
        "attempt": 1,
        "gang": {"job": "errors", "service": "errors", "coordinator": "x:1"} | hosts,
        "mesh": case.mesh,
        "model": MODEL,
        "memory": case.memory,
        "precision": {"compute": compute},
        "tokenizer": "/tokenizer.json",
        "datasets": [{"name": "d", "kind": "text", "uri": "/texts"}],
        "context_length": LENGTH,
        "batch_tokens": ROWS * LENGTH,
        "rope_theta": 1e4,
        "steps": 1,
        "optimizer": {"clip_norm": 1000.0},
        "checkpoint": {"root": "/runs", "save_interval_steps": 1},
    }
    return config.RunConfig(**fields)


def _arrays(mesh: config.Mesh) -> dict[str, np.ndarray[Any, Any]]:
    """The batch with its columns in the order of the mesh's ring."""
    random = np.random.default_rng(0)
    index = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
    start = np.where(index < DOCUMENT, 0, DOCUMENT).astype(np.int32)
    tokens = random.integers(0, MODEL.vocab_size, index.shape, dtype=np.int32)
    arrays = {
        "tokens": tokens,
        "targets": np.roll(tokens, -1, 1),
        "positions": index - start,
        "index": index,
        "start": start,
        "weights": random.random(index.shape, np.float32),
    }
    order = column_orders(mesh, start)
    return {name: np.take_along_axis(array, order, axis=1) for name, array in arrays.items()}


def distance(first: Step, second: Step, unit: Step) -> float:
    """The norm of the difference of two gradients over the norm of a third."""
    squares = sum(float(np.square(x - y, dtype=np.float64).sum()) for x, y in zip(first.gradients, second.gradients, strict=True))
    return float((squares / sum(float(np.square(x, dtype=np.float64).sum()) for x in unit.gradients)) ** 0.5)
