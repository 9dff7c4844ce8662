"""Tokens a second of the whole training step: the ring, and the same step with attention that holds all scores.

The dense step is the trainer's own (`lwm_trainer.step`) with `ring_attention` exchanged; its queries lie over the devices like ours,
and XLA brings keys and values together. It is measured at the largest length that its memory allows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks.attention import peers, timing
from benchmarks.attention.effort import Effort
from benchmarks.attention.rows import Row, number
from benchmarks.attention.workload import DEVICES, order, starts, useful_flops
from cluster.run import say
from lwm_trainer import config, step
from lwm_trainer.ring.attention import ring_attention

LAYERS, HEADS, VOCABULARY = 4, 2, 2048
LARGEST_DENSE_MIB = 8 * 1024
"""Temporary memory of the dense step on all devices together, which share this machine's."""
ROUNDS = 3
LARGEST_DIFFERENCE = 1e-4
"""Of the two first steps' losses and gradient norms, relative."""


class Compiled(NamedTuple):
    run: Callable[..., tuple[step.State, step.Metrics]]
    init: Callable[[jax.Array], step.State]
    batch: step.Batch
    temp_mib: float
    """Of one device."""


def training_step(effort: Effort) -> list[Row]:
    """The row of tokens/s and that of memory, at the largest length of `effort.step_lengths` that the dense step holds."""
    length, ring, dense = largest(effort)
    states = {"ring": ring.init(jax.random.key(0)), "dense": dense.init(jax.random.key(0))}
    first: dict[str, NDArray[np.float32]] = {}

    def one(name: str, compiled: Compiled) -> Callable[[], Any]:
        def call() -> Any:
            states[name], metrics = compiled.run(states[name], compiled.batch)  # the state is donated
            first.setdefault(name, np.array([metrics["loss"], metrics["grad_norm"]]))
            return states[name]

        return call

    done, _ = timing.rounds({"ring": one("ring", ring), "dense": one("dense", dense)}, effort.budget, most=ROUNDS)
    name = f"training step {length} tokens vs {peers.DOT_PRODUCT}"
    differs = float(np.abs(first["ring"] / first["dense"] - 1).max())
    if not differs <= LARGEST_DIFFERENCE:
        return [Row(name=name, value=None, unit="tokens/s", note=f"VOID: losses and gradient norms are {first}")]
    model = model_of(effort.step_width)
    speed, memory = {key: length / timing.seconds(done, key) for key in states}, f"{LARGEST_DENSE_MIB // 1024} GiB"
    row = Row(
        name=name,
        value=speed["ring"],
        unit="tokens/s",
        ratio=timing.ratio(done, "ring", "dense"),
        percent_of_limit=timing.percent_of_limit(done, "ring", step_flops(model, length)),
        note=f"{number(speed['dense'])} there; one document; rounds: {len(done)}; loss and gradient differ by {differs:.0e}",
    )
    note = f"of one device; {length} is the largest tried whose dense step needs at most {memory} on {DEVICES} devices"
    say(f"  {row.name}: {number(row.value)} tokens/s, ratio {number(row.ratio)}, {row.note}")
    return [
        row,
        Row(name=f"{name}: memory", value=ring.temp_mib, unit="MiB", ratio=dense.temp_mib / ring.temp_mib, note=note),
    ]


def largest(effort: Effort) -> tuple[int, Compiled, Compiled]:
    """The length, the ring's step and the dense one. Raises MemoryError when the dense step holds none of `effort.step_lengths`."""
    fits: tuple[int, Compiled] | None = None
    for length in effort.step_lengths:
        dense = compiled(effort.step_width, length, dense=True)
        total = dense.temp_mib * DEVICES
        say(f"  the dense step of {length} tokens needs {total:.0f} MiB on all devices")
        if total > LARGEST_DENSE_MIB:
            break
        fits = length, dense
    if fits is None:
        raise MemoryError(f"no dense step of {effort.step_lengths} tokens fits into {LARGEST_DENSE_MIB} MiB: try shorter ones")
    return fits[0], compiled(effort.step_width, fits[0], dense=False), fits[1]


def compiled(width: int, length: int, *, dense: bool) -> Compiled:
    run = run_of(width, length)
    with patch.object(step, "ring_attention", peers.dense_attention if dense else ring_attention):
        program = step.make_program(run, peers.mesh())
        batch = batch_of(length)
        train = program.train_step.lower(program.abstract_state, batch).compile()  # type: ignore[attr-defined]
    return Compiled(train, program.init, batch, peers.temp_mib(train))


def model_of(width: int) -> config.Model:
    return config.Model(
        layers=LAYERS, width=width, heads=HEADS, kv_heads=HEADS, head_dim=width // HEADS, mlp_width=4 * width, vocab_size=VOCABULARY
    )


def run_of(width: int, length: int) -> config.RunConfig:
    return config.RunConfig(
        training="bench",
        stage="bench",
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=config.Gang(job="bench", service="bench", hosts=1, devices_per_host=DEVICES, platform="cpu", coordinator="localhost:1"),
        mesh=config.Mesh(sp=DEVICES),
        model=model_of(width),
        tokenizer="none",
        datasets=(config.Dataset(name="none", kind="text", uri="/none"),),
        context_length=length,
        batch_tokens=length,
        rope_theta=10_000.0,
        steps=1000,
        checkpoint=config.Checkpoint(root="/none", every_steps=1000),
    )


def batch_of(length: int) -> step.Batch:
    """One row that is one document of random tokens, in the ring's order."""
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, length + 1, dtype=np.int32)
    index, start = np.arange(length, dtype=np.int32), starts([length])
    weights = np.ones(length, np.float32)
    row = {"tokens": tokens[:-1], "targets": tokens[1:], "positions": index - start, "index": index, "start": start, "weights": weights}
    places = order(start, DEVICES)
    return cast("step.Batch", {name: peers.put(column[None, places]) for name, column in row.items()})


def step_flops(model: config.Model, tokens: int) -> float:
    """Of a step over one document: 6 a token and parameter of the matrices, and attention's; nothing for what is computed again."""
    inner = model.heads * model.head_dim
    layer = 4 * model.width * inner + 3 * model.width * model.mlp_width
    matrices = model.layers * layer + model.width * model.vocab_size
    return 6.0 * matrices * tokens + model.layers * useful_flops([tokens], model.heads, model.head_dim, True)
