"""Tokens per second of the whole training step: the ring, and the same step with attention that holds all scores.

The dense step is the trainer's own (`lwm_trainer.step.train_step`) with `ring_attention` exchanged; its queries lie over the
devices like ours, and XLA brings keys and values together. It is measured at the largest length that its memory allows.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import jax
import numpy as np
from numpy.typing import NDArray

from benchmarks import timing
from benchmarks.attention import peers
from benchmarks.attention.sizes import Sizes
from benchmarks.attention.workload import DEVICES, order, starts, useful_flops
from benchmarks.measurements import Measurement, number
from devcluster.run import say
from lwm_trainer import config
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.step import train_step
from lwm_trainer.step.batch import Batch

LAYERS, HEADS, VOCABULARY = 4, 2, 2048
LARGEST_DENSE_MIB = 8 * 1024
"""Temporary memory of the dense step on all devices together, which share this machine's."""
ROUNDS = 3
LARGEST_DIFFERENCE = 1e-4
"""Largest relative difference between the two first steps' losses and gradient norms."""


class CompiledStep(NamedTuple):
    run: Callable[..., tuple[train_step.State, train_step.Metrics]]
    init: Callable[[jax.Array], train_step.State]
    batch: Batch
    temp_mib: float
    """Temporary memory of one device."""


def training_step(sizes: Sizes) -> list[Measurement]:
    """The row of tokens/s and that of memory, at the largest length of `sizes.step_lengths` that the dense step holds."""
    length, ring, dense = largest(sizes)
    memory = f"{LARGEST_DENSE_MIB // 1024} GiB"
    return contest(
        ring,
        dense,
        model_of(sizes.step_width),
        length,
        peer=peers.DOT_PRODUCT,
        budget=sizes.budget,
        most=ROUNDS,
        memory_note=f"of one device; {length} is the largest tried whose dense step needs at most {memory} on {DEVICES} devices",
    )


def contest(
    ours: CompiledStep, theirs: CompiledStep, model: config.Model, length: int, *, peer: str, budget: float, most: int, memory_note: str
) -> list[Measurement]:
    """The row of tokens/s and that of memory of two steps over one row of one document, from one state; void if their first ones differ."""
    steps = {"ours": ours, "theirs": theirs}
    states = {name: step.init(jax.random.key(0)) for name, step in steps.items()}
    first: dict[str, NDArray[np.float32]] = {}

    def one(name: str) -> Any:
        states[name], metrics = steps[name].run(states[name], steps[name].batch)  # the state is donated
        first.setdefault(name, np.array([metrics["loss"], metrics["grad_norm"]]))
        return states[name]

    rounds, _ = timing.rounds({name: partial(one, name) for name in steps}, budget, most=most)
    name = f"training step {length} tokens vs {peer}"
    differs = float(np.abs(first["ours"] / first["theirs"] - 1).max())
    if not differs <= LARGEST_DIFFERENCE:
        return [Measurement(name=name, value=None, unit="tokens/s", note=f"VOID: losses and gradient norms are {first}")]
    speed = {key: length / timing.seconds(rounds, key) for key in steps}
    row = Measurement(
        name=name,
        value=speed["ours"],
        unit="tokens/s",
        ratio=timing.ratio(rounds, "ours", "theirs"),
        percent_of_limit=timing.percent_of_limit(rounds, "ours", step_flops(model, length)),
        note=f"{number(speed['theirs'])} with the peer; one document; rounds: {len(rounds)}; loss and gradient differ by {differs:.0e}",
    )
    say(f"  {row.name}: {number(row.value)} tokens/s, ratio {number(row.ratio)}, {row.note}")
    return [
        row,
        Measurement(name=f"{name}: memory", value=ours.temp_mib, unit="MiB", ratio=theirs.temp_mib / ours.temp_mib, note=memory_note),
    ]


def largest(sizes: Sizes) -> tuple[int, CompiledStep, CompiledStep]:
    """The length, the ring's step and the dense one. Raises MemoryError when the dense step holds none of `sizes.step_lengths`."""
    fits: tuple[int, CompiledStep] | None = None
    for length in sizes.step_lengths:
        dense = compiled(sizes.step_width, length, dense=True)
        total = dense.temp_mib * DEVICES
        say(f"  the dense step of {length} tokens needs {total:.0f} MiB on all devices")
        if total > LARGEST_DENSE_MIB:
            break
        fits = length, dense
    if fits is None:
        raise MemoryError(f"no dense step of {sizes.step_lengths} tokens fits into {LARGEST_DENSE_MIB} MiB: try shorter ones")
    return fits[0], compiled(sizes.step_width, fits[0], dense=False), fits[1]


def compiled(width: int, length: int, *, dense: bool) -> CompiledStep:
    run = run_of(model_of(width), config.Mesh(sp=DEVICES), length)
    with patch.object(train_step, "ring_attention", peers.dense_attention if dense else ring_attention):
        program = train_step.make_program(run, peers.mesh())
        batch = batch_of(length)
        train = program.train_step.lower(program.abstract_state, batch).compile()  # type: ignore[attr-defined]
    return CompiledStep(train, program.init, batch, peers.temp_mib(train))


def model_of(width: int) -> config.Model:
    return config.Model(
        layers=LAYERS, width=width, heads=HEADS, kv_heads=HEADS, head_dim=width // HEADS, mlp_width=4 * width, vocab_size=VOCABULARY
    )


def run_of(model: config.Model, mesh: config.Mesh, length: int) -> config.RunConfig:
    """Config of a step of one row over the mesh's CPU devices."""
    return config.RunConfig(
        training="bench",
        stage="bench",
        stage_index=0,
        stage_count=1,
        attempt=1,
        gang=config.Gang(job="bench", service="bench", hosts=1, devices_per_host=mesh.size, platform="cpu", coordinator="localhost:1"),
        mesh=mesh,
        model=model,
        tokenizer="none",
        datasets=(config.Dataset(name="none", kind="text", uri="/none"),),
        context_length=length,
        batch_tokens=length,
        rope_theta=10_000.0,
        steps=1000,
        checkpoint=config.Checkpoint(root="/none", save_interval_steps=1000),
    )


def batch_of(length: int) -> Batch:
    """The document in the ring's order."""
    row = document(length, VOCABULARY)
    places = order(row["start"], DEVICES)
    return cast("Batch", {name: peers.put(column[None, places]) for name, column in row.items()})


def document(length: int, vocabulary: int) -> dict[str, NDArray[Any]]:
    """The columns of a row that is one document of random tokens, in their own order."""
    tokens = np.random.default_rng(0).integers(0, vocabulary, length + 1, dtype=np.int32)
    index, start = np.arange(length, dtype=np.int32), starts([length])
    weights = np.ones(length, np.float32)
    return {"tokens": tokens[:-1], "targets": tokens[1:], "positions": index - start, "index": index, "start": start, "weights": weights}


def step_flops(model: config.Model, tokens: int) -> float:
    """FLOPs of a step over one document: 6 per token and matrix parameter, and attention's; rematerialization counts for nothing."""
    inner = model.heads * model.head_dim
    layer = 4 * model.width * inner + 3 * model.width * model.mlp_width
    matrices = model.layers * layer + model.width * model.vocab_size
    return 6.0 * matrices * tokens + model.layers * useful_flops([tokens], model.heads, model.head_dim, True)
