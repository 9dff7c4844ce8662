"""Other settings of the same stage on the same devices, the fastest by estimate first."""

from collections.abc import Iterator
from typing import get_args

from lwm_trainer.config import Memory, Mesh, Remat, RunConfig, ulysses_degrees
from lwm_trainer.config.accelerator_families import Device
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time

CLEARLY_ABOVE = 1.3
"""A run whose estimated memory is more than this many times the chip's is not compiled. Above 1, because the estimate is coarse."""

TILE = 2048
"""Tokens of a device whose MLP is computed at once, if memory is short without tiling."""


def candidates(run: RunConfig, device: Device) -> list[RunConfig]:
    """Settled runs with the mesh and memory settings changed and nothing else: same devices, slices, rows and context."""
    ranked = []
    for mesh in _meshes(run):
        for memory in _memories(run, mesh):
            candidate = run.model_copy(update={"mesh": mesh, "memory": memory})
            size = estimate_memory(candidate).total
            if size > device.hbm_bytes and run.context_length > (tile := TILE * mesh.sp):  # tiles take time that the estimate ignores
                tiled = run.model_copy(update={"mesh": mesh, "memory": memory.model_copy(update={"mlp_tile": tile})})
                if not tiled.violations():
                    candidate, size = tiled, estimate_memory(tiled).total
            if size <= CLEARLY_ABOVE * device.hbm_bytes and not candidate.violations():
                ranked.append((estimate_step_time(candidate, device).seconds, size, candidate))
    return [candidate for _, _, candidate in sorted(ranked, key=lambda entry: entry[:2])]


def _meshes(run: RunConfig) -> Iterator[Mesh]:
    """Every mesh of all devices, with each Ulysses degree, that is valid for the model and the batch."""
    devices = run.mesh.size
    for tp in _divisors(devices):
        for sp in _divisors(devices // tp):
            for fsdp in _divisors(devices // tp // sp):
                mesh = Mesh(dp=devices // tp // sp // fsdp, fsdp=fsdp, tp=tp, sp=sp)
                if run.model_copy(update={"mesh": mesh, "memory": Memory()}).violations():
                    continue
                yield from (mesh.model_copy(update={"ulysses": degree}) for degree in ulysses_degrees(run.model, mesh))


def _memories(run: RunConfig, mesh: Mesh) -> Iterator[Memory]:
    """Every rematerialization policy with each useful number of gradient accumulation steps."""
    rows = run.rows // (mesh.dp * mesh.fsdp)
    for remat in get_args(Remat):
        for accumulation in sorted({1, *(part for part in (2, 4, 8) if rows % part == 0), rows}):
            yield Memory(remat=remat, gradient_accumulation_steps=accumulation)


def _divisors(number: int) -> list[int]:
    return [part for part in range(1, number + 1) if number % part == 0]
