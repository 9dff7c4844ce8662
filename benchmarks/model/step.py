"""Tokens a second and memory of the trainer's step on one device, against the same model written in the usual manner (`manner.py`)."""

from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np
import optax

from benchmarks.attention import timing
from benchmarks.attention.peers import temp_mib
from benchmarks.attention.rows import Row, number
from benchmarks.attention.training_step import step_flops
from benchmarks.attention.workload import starts
from benchmarks.model import manner
from benchmarks.model.effort import Effort
from cluster.run import say
from lwm_trainer import config
from lwm_trainer.mesh import make_mesh
from lwm_trainer.optimizer import make_optimizer
from lwm_trainer.step import Batch, Metrics, State, make_program

MODEL = config.Model(layers=4, width=256, heads=4, kv_heads=2, head_dim=64, mlp_width=704, vocab_size=2048)
THETA = 10_000.0
LARGEST_DIFFERENCE = 1e-4
"""Of the first steps' losses and gradient norms, relative."""
PEER = "transformers' manner"


def training_step(effort: Effort) -> list[Row]:
    """Two rows a length: speed and memory."""
    return [row for length in effort.lengths for row in _at(length, effort)]


def _at(length: int, effort: Effort) -> list[Row]:
    run, batch = run_of(length), batch_of(length)
    program = make_program(run, make_mesh(run.mesh))
    ours = program.train_step.lower(program.abstract_state, batch).compile()  # type: ignore[attr-defined]
    theirs = jax.jit(_usual(run), donate_argnums=0).lower(program.abstract_state, batch).compile()
    states = {name: program.init(jax.random.key(0)) for name in ("ours", "theirs")}
    first: dict[str, Any] = {}

    def one(name: str, compiled: Any) -> Callable[[], Any]:
        def call() -> Any:
            states[name], metrics = compiled(states[name], batch)
            first.setdefault(name, np.array([metrics["loss"], metrics["grad_norm"]]))
            return states[name]

        return call

    done, _ = timing.rounds({"ours": one("ours", ours), "theirs": one("theirs", theirs)}, effort.budget)
    name = f"training step {length} tokens vs {PEER}"
    differs = float(np.abs(first["ours"] / first["theirs"] - 1).max())
    if not differs <= LARGEST_DIFFERENCE:
        return [Row(name=name, value=None, unit="tokens/s", note=f"VOID: losses and gradient norms are {first}")]
    speed, memory = length / timing.seconds(done, "ours"), (temp_mib(ours), temp_mib(theirs))
    row = Row(
        name=name,
        value=speed,
        unit="tokens/s",
        ratio=timing.ratio(done, "ours", "theirs"),
        percent_of_limit=timing.percent_of_limit(done, "ours", step_flops(MODEL, length)),
        note=f"rounds: {len(done)}; loss and gradient differ by {differs:.0e}",
    )
    say(f"  {row.name}: {number(row.value)} tokens/s, ratio {number(row.ratio)}")
    return [row, Row(name=f"{name}: memory", value=memory[0], unit="MiB", ratio=memory[1] / memory[0], note="temporary")]


def _usual(run: config.RunConfig) -> Callable[[State, Batch], tuple[State, Metrics]]:
    optimizer = make_optimizer(run.optimizer, run.steps)

    def step(state: State, batch: Batch) -> tuple[State, Metrics]:
        loss, grads = jax.value_and_grad(lambda params: manner.mean_loss(run.model, THETA, params, batch))(state["params"])
        updates, optimizer_state = optimizer.update(grads, state["optimizer"], state["params"])
        metrics = cast("Metrics", {"loss": loss, "grad_norm": optax.tree.norm(grads)})
        return State(params=optax.apply_updates(state["params"], updates), optimizer=optimizer_state), metrics

    return step


def run_of(length: int) -> config.RunConfig:
    return config.RunConfig(
        training="bench",
        stage="bench",
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=config.Gang(job="bench", service="bench", hosts=1, devices_per_host=1, platform="cpu", coordinator="localhost:1"),
        mesh=config.Mesh(),
        model=MODEL,
        tokenizer="none",
        datasets=(config.Dataset(name="none", kind="text", uri="/none"),),
        context_length=length,
        batch_tokens=length,
        rope_theta=THETA,
        steps=1000,
        checkpoint=config.Checkpoint(root="/none", every_steps=1000),
    )


def batch_of(length: int) -> Batch:
    """One row that is one document of random tokens."""
    tokens = np.random.default_rng(0).integers(0, MODEL.vocab_size, length + 1, dtype=np.int32)
    index, start = np.arange(length, dtype=np.int32), starts([length])
    weights = np.ones(length, np.float32)
    row = {"tokens": tokens[:-1], "targets": tokens[1:], "positions": index - start, "index": index, "start": start, "weights": weights}
    return cast("Batch", {name: jax.numpy.asarray(column)[None] for name, column in row.items()})
