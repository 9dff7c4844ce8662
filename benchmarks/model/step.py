"""Tokens per second and memory of the trainer's step on one device, against the same model as usually written (`reference_model.py`)."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from benchmarks.attention.peers import temp_mib
from benchmarks.attention.training_step import CompiledStep, contest, document, run_of
from benchmarks.measurements import Measurement
from benchmarks.model import reference_model
from benchmarks.model.sizes import Sizes
from lwm_trainer import config
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.batch import Batch
from lwm_trainer.step.optimizer import make_optimizer
from lwm_trainer.step.train_step import Metrics, State, make_program

MODEL = config.Model(layers=4, width=256, heads=4, kv_heads=2, head_dim=64, mlp_width=704, vocab_size=2048)
PEER = "transformers' manner"
ROUNDS = 7


def training_step(sizes: Sizes) -> list[Measurement]:
    """Two rows a length: speed and memory."""
    return [row for length in sizes.lengths for row in _at(length, sizes)]


def _at(length: int, sizes: Sizes) -> list[Measurement]:
    run = run_of(MODEL, config.Mesh(), length)
    program = make_program(run, make_mesh(run.mesh))
    batch = cast("Batch", {name: jnp.asarray(column)[None] for name, column in document(length, MODEL.vocab_size).items()})

    def compiled(step: Any) -> CompiledStep:
        executable = step.lower(program.abstract_state, batch).compile()
        return CompiledStep(executable, program.init, batch, temp_mib(executable))

    ours, theirs = compiled(program.train_step), compiled(jax.jit(_usual(run), donate_argnums=0))
    return contest(ours, theirs, MODEL, length, peer=PEER, budget=sizes.budget, most=ROUNDS, memory_note="temporary")


def _usual(run: config.RunConfig) -> Callable[[State, Batch], tuple[State, Metrics]]:
    optimizer = make_optimizer(run.optimizer, run.steps)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        loss, grads = jax.value_and_grad(lambda params: reference_model.mean_loss(run.model, run.rope_theta, params, batch))(
            state["params"]
        )
        updates, optimizer_state = optimizer.update(grads, state["optimizer"], state["params"])
        metrics = cast("Metrics", {"loss": loss, "grad_norm": optax.tree.norm(grads)})
        return State(params=optax.apply_updates(state["params"], updates), optimizer=optimizer_state), metrics

    return step
