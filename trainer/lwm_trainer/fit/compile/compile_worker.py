"""`python -m lwm_trainer.fit.compile.compile_worker` compiles one train step.

It reads a request as JSON on standard input and writes a `CompileResult` as JSON on standard output.

It is a process of its own, so that its memory is freed, and a compiler that aborts does not end the caller.
"""

import sys
import time

import jax

from lwm_trainer.config import RunConfig
from lwm_trainer.config.contract import Contract
from lwm_trainer.fit.compile.collectives import collective_traffic
from lwm_trainer.fit.compile.compile_result import CompileResult, parse_refusal
from lwm_trainer.fit.compile.hlo import HloProgram
from lwm_trainer.fit.compile.memory import device_memory
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.parallel.mesh import AXIS_NAMES, make_mesh
from lwm_trainer.ring.ring_ulysses_split import resolve_mesh
from lwm_trainer.step.batch import abstract_batch
from lwm_trainer.step.train_step import make_program


class Request(Contract):
    """A run config and what to compile it for. Data, checkpoints and peers of the run are not used."""

    run: RunConfig
    target: Target


def compile_request(request: Request) -> CompileResult:
    """Compile the real train step for the target."""
    run, axes = request.run, resolve_mesh(request.run).mesh
    if request.target.platform == "tpu":
        from lwm_trainer.fit.compile.topology import mesh_of  # needs libtpu

        mesh = mesh_of(axes, run.gang.slices, request.target.topology)
    else:
        mesh = make_mesh(axes)
    program = make_program(run, mesh)
    batch = abstract_batch(run, program.batch_sharding)
    mesh_text = " ".join(f"{name} {mesh.shape[name]}" for name in AXIS_NAMES)
    start = time.monotonic()
    try:
        compiled = program.train_step.lower(program.abstract_state, batch).compile()  # type: ignore[attr-defined]
    except jax.errors.JaxRuntimeError as error:
        refusal = parse_refusal(str(error))
        if refusal is None:
            raise
        return CompileResult(seconds=time.monotonic() - start, mesh=mesh_text, refusal=refusal)
    seconds = time.monotonic() - start
    hlo = HloProgram(compiled.as_text() or "")
    return CompileResult(
        seconds=seconds,
        mesh=mesh_text,
        memory=device_memory(compiled, hlo, program.abstract_state, batch),
        collectives=collective_traffic(hlo, {name: mesh.shape[name] for name in AXIS_NAMES}),
    )


def main() -> None:
    request = Request.model_validate_json(sys.stdin.read())
    jax.config.update("jax_platforms", "cpu")
    if request.target.platform == "cpu":
        jax.config.update("jax_num_cpu_devices", request.run.mesh.size)
    print(compile_request(request).model_dump_json(by_alias=True), flush=True)


if __name__ == "__main__":
    main()
