"""What a training step sends, in the program of the real TPU compiler: `python -m tpu.step_collectives` for a table of four slices.

The model has few layers and a small vocabulary, so that almost all parameters are the layers'.
"""

import sys
import time
from typing import Any, NamedTuple, cast

import jax

from lwm_trainer.config import Mesh, Remat
from lwm_trainer.fit.compile import topology
from lwm_trainer.fit.compile.collectives import CollectiveTraffic, collective_traffic
from lwm_trainer.fit.compile.hlo import HloProgram
from lwm_trainer.parallel.mesh import AXIS_NAMES
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program
from support.builders import a_run, tpus

LAYERS, WIDTH, INNER, HEAD_DIM, VOCABULARY = 4, 2048, 4096, 128, 256


class Case(NamedTuple):
    """A slice and a mesh on it."""

    slice: str
    mesh: Mesh
    remat: Remat = "qkv"


CASES = [
    Case("v5p:2x2x1", Mesh(fsdp=2, sp=2, ulysses=1)),
    Case("v5p:4x4x4", Mesh(fsdp=4, sp=16, ulysses=4)),
    Case("v4:4x8x8", Mesh(fsdp=4, sp=64, ulysses=8)),
    Case("v6e:16x16", Mesh(fsdp=16, sp=16, ulysses=16)),
]


def step_collectives(case: Case) -> tuple[CollectiveTraffic, ...]:
    """What a device sends in one step, a row of 1,024 tokens for each of its devices in the ring."""
    length = 1024 * case.mesh.sp
    heads = WIDTH // HEAD_DIM
    model = {"layers": LAYERS, "width": WIDTH, "heads": heads, "kv_heads": heads, "head_dim": HEAD_DIM, "mlp_width": INNER}
    run = a_run(
        gang=tpus(case.mesh.size),
        mesh=case.mesh.model_dump(),
        model=model | {"vocab_size": VOCABULARY},
        precision={"compute": "bfloat16"},
        context_length=length,
        batch_tokens=length * case.mesh.dp * case.mesh.fsdp,
        memory={"remat": case.remat},
    )
    mesh = topology.mesh_of(run.mesh, 1, case.slice)
    program = make_program(run, mesh)
    step = cast("Any", program.train_step)
    compiled = step.lower(program.abstract_state, abstract_batch(run, program.batch_sharding)).compile()
    return collective_traffic(HloProgram(compiled.as_text() or ""), {name: mesh.shape[name] for name in AXIS_NAMES})


def main() -> None:
    """Prints what each case sends, a line for each kind of collective."""
    for case in CASES:
        start = time.monotonic()
        traffic = step_collectives(case)
        print(f"{case.slice}, {case.mesh}, remat {case.remat}: {time.monotonic() - start:.0f} s to compile")
        for each in traffic:
            print(f"  {each.kind:18} {each.dtype:5} {each.axes:18} {each.times:5} times {each.bytes:13,} bytes, at most {each.largest:13,}")
        sys.stdout.flush()


if __name__ == "__main__":
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_compilation_cache", False)
    main()
