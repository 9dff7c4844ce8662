"""What a training step sends, in the program of the real TPU compiler: `python -m tpu.step_collectives` for a table of four slices.

The model has few layers and a small vocabulary, so that almost all parameters are the layers'.
"""

import sys
import time
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, cast

import jax

from lwm_trainer.config import Mesh, Remat, RunConfig
from lwm_trainer.fit.compile import topology
from lwm_trainer.fit.compile.collectives import CollectiveTraffic, collective_traffic
from lwm_trainer.fit.compile.hlo import HloProgram
from lwm_trainer.fit.estimate.traffic import step_traffic
from lwm_trainer.parallel.mesh import AXIS_NAMES
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program
from support.builders import a_run, tpus
from support.tpu_programs import compiled

LAYERS, WIDTH, INNER, HEAD_DIM, VOCABULARY = 4, 2048, 4096, 128, 256
LAYER = 4 * WIDTH * WIDTH + 3 * WIDTH * INNER
"""Parameters of the matrices of a layer."""
MATRIX = WIDTH * WIDTH
"""Parameters of the smallest of them."""
DATA_AXES = {"fsdp", "ring", "ulysses"}
"""The axes over which parameters are sharded, apart from tp."""
REDUCED = 0.15
"""Largest share of the gradients' bytes that may be all-reduced. Seen: 2 to 5 %, and 11 % on v4 4x8x8."""


class Case(NamedTuple):
    """A slice and a mesh on it."""

    slice: str
    mesh: Mesh
    remat: Remat = "qkv"


SAMPLE = Case("v5p:2x2x1", Mesh(fsdp=2, sp=2, ulysses=1))
EXCHANGING = Case("v6e:2x2", Mesh(fsdp=2, sp=2, ulysses=2))
ALL = [
    Case("v5p:4x4x4", Mesh(fsdp=4, sp=16, ulysses=4)),
    Case("v4:4x8x8", Mesh(fsdp=4, sp=64, ulysses=8)),
    Case("v6e:16x16", Mesh(fsdp=16, sp=16, ulysses=16)),
]


def step_run(case: Case) -> RunConfig:
    """A row of 1,024 tokens for each of its devices in the ring."""
    length = 1024 * case.mesh.sp
    heads = WIDTH // HEAD_DIM
    model = {"layers": LAYERS, "width": WIDTH, "heads": heads, "kv_heads": heads, "head_dim": HEAD_DIM, "mlp_width": INNER}
    return a_run(
        gang=tpus(case.mesh.size),
        mesh=case.mesh.model_dump(),
        model=model | {"vocab_size": VOCABULARY},
        precision={"compute": "bfloat16"},
        context_length=length,
        batch_tokens=length * case.mesh.dp * case.mesh.fsdp,
        memory={"remat": case.remat},
    )


@cache
def step_collectives(case: Case) -> tuple[CollectiveTraffic, ...]:
    """What a device sends in one step."""
    run = step_run(case)
    mesh = topology.mesh_of(run.mesh, 1, case.slice)
    program = make_program(run, mesh)
    step = cast("Any", program.train_step)
    lowered = step.lower(program.abstract_state, abstract_batch(run, program.batch_sharding))
    return collective_traffic(HloProgram(compiled(lowered, mesh).text), {name: mesh.shape[name] for name in AXIS_NAMES})


def broken(traffic: Iterable[CollectiveTraffic], shards: int) -> list[str]:
    """What is wrong with how layers gather their parameters and sum their gradients over `shards` devices.

    Parameters are gathered in bfloat16, once forward and once backward; gradients are reduced and scattered in float32. The compiler makes
    an all-reduce of a few scatters whose parts are small: at most `REDUCED` of the bytes, and none of a whole matrix or in bfloat16.
    """
    own = [each for each in traffic if set(each.axes.split("+")) <= DATA_AXES]
    gathered, scattered, reduced = (
        sum(each.bytes for each in own if (each.kind, each.dtype) == kind)
        for kind in (("all-gather", "bf16"), ("reduce-scatter", "f32"), ("all-reduce", "f32"))
    )
    whole = LAYERS * LAYER * (shards - 1) // shards
    faults = [
        f"{each.kind} of {each.dtype} over {each.axes}: {each.times} times, the largest sends {each.largest} bytes"
        for each in own
        if each.kind == "all-reduce" and each.largest >= (2 if each.dtype == "bf16" else 4) * MATRIX
    ]
    if not 0.98 * 4 * whole <= gathered <= 1.05 * 4 * whole:
        faults.append(f"all-gather of bf16: {gathered} bytes, not {4 * whole}")
    if not (1 - REDUCED / 2) * 4 * whole <= scattered <= 1.05 * 4 * whole:
        faults.append(f"reduce-scatter of f32: {scattered} bytes, not {4 * whole}")
    if reduced > REDUCED * 4 * whole:
        faults.append(f"all-reduce of f32: {reduced} bytes")
    return faults


def main() -> int:
    """Prints what each case sends over the axes of its parameters; 1 when one of them breaks a promise of `broken`."""
    failed = False
    for case in (SAMPLE, EXCHANGING, *ALL):
        start = time.monotonic()
        traffic = step_collectives(case)
        faults = broken(traffic, case.mesh.fsdp * case.mesh.sp)
        counted, predicted = sum(each.bytes for each in traffic), step_traffic(step_run(case)).total
        print(f"{case.slice}, {case.mesh}: {time.monotonic() - start:.0f} s to compile", flush=True)
        print(f"  {counted:,} bytes sent, the formula of fit: {predicted:,} ({predicted / counted - 1:+.1%})")
        for each in traffic:
            print(f"  {each.kind:18} {each.dtype:5} {each.axes:18} {each.times:5} times {each.bytes:12,} bytes, at most {each.largest:11,}")
        print(f"  {'; '.join(faults) or 'gathered and scattered'}", flush=True)
        failed |= bool(faults)
    return 1 if failed else 0


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_compilation_cache", False)
    sys.exit(main())
