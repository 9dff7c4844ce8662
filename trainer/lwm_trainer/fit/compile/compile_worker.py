"""`python -m lwm_trainer.fit.compile.compile_worker` compiles one train step.

It reads a request as JSON on standard input and writes a `CompileResult` as JSON on standard output.

A process of its own, so that its memory goes back and a compiler that aborts takes nobody with it.
"""

import sys
import time

import jax

from lwm_trainer.config import RunConfig
from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.collectives import transfers
from lwm_trainer.fit.compile.compile_result import CompileResult, refusal
from lwm_trainer.fit.compile.hlo import Program
from lwm_trainer.fit.compile.memory import measure
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.parallel.mesh import AXIS_NAMES, make_mesh
from lwm_trainer.ring.ring_ulysses_split import resolve_mesh
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program


class Request(Contract):
    """Answered by the compiler alone: data, checkpoints and peers of the run are never looked for."""

    run: RunConfig
    target: Target


def answer(request: Request) -> CompileResult:
    """Compile the real train step for the target."""
    run, axes = request.run, resolve_mesh(request.run).mesh
    if request.target.platform == "tpu":
        from lwm_trainer.fit.compile.topology import mesh_of  # needs libtpu

        mesh = mesh_of(axes, run.gang.slices, request.target.topology)
    else:
        mesh = make_mesh(axes)
    program = make_program(run, mesh)
    batch = abstract_batch(run, program.batch_sharding)
    named = " ".join(f"{name} {mesh.shape[name]}" for name in AXIS_NAMES)
    start = time.monotonic()
    try:
        compiled = program.train_step.lower(program.abstract_state, batch).compile()  # type: ignore[attr-defined]
    except jax.errors.JaxRuntimeError as error:
        found = refusal(str(error))
        if found is None:
            raise
        return CompileResult(seconds=time.monotonic() - start, mesh=named, refusal=found)
    seconds = time.monotonic() - start
    text = Program(compiled.as_text() or "")
    return CompileResult(
        seconds=seconds,
        mesh=named,
        memory=measure(compiled, text, program.abstract_state, batch),
        wire=transfers(text, {name: mesh.shape[name] for name in AXIS_NAMES}),
    )


def main() -> None:
    request = Request.model_validate_json(sys.stdin.read())
    jax.config.update("jax_platforms", "cpu")
    if request.target.platform == "cpu":
        jax.config.update("jax_num_cpu_devices", request.run.mesh.size)
    print(answer(request).model_dump_json(by_alias=True), flush=True)


if __name__ == "__main__":
    main()
