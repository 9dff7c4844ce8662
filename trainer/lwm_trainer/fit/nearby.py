"""Settings near those of a stage, judged by arithmetic that one compilation has calibrated: small changes that save, and faster ones."""

from collections.abc import Iterator
from typing import get_args

from lwm_trainer.config import Remat, RunConfig
from lwm_trainer.config.accelerator_families import Device
from lwm_trainer.fit.candidates import TILE, candidates
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time

ROOM = 0.95
"""The share of the memory that settings may need which were not compiled: the calibrated estimate is coarse all the same."""
GAIN = 0.95
"""Settings are called faster whose estimated seconds are at most this share."""


def small_changes(run: RunConfig, device: Device, needed: int, available: int) -> list[RunConfig]:
    """The run with one memory setting changed so that it should fit, the fastest by estimate first.

    Args:
        needed: bytes that the run itself needs by the compiler; memory of the others is estimated in proportion.
        available: bytes of a device.
    """
    scale = needed / estimate_memory(run).total
    fitting = [each for each in _single_changes(run) if not each.violations() and scale * estimate_memory(each).total <= available]
    return sorted(fitting, key=lambda each: (estimate_step_time(each, device).seconds, -estimate_memory(each).total))


def is_small_change(run: RunConfig, other: RunConfig) -> bool:
    """Whether the other run differs in one memory setting alone."""
    before, after = run.memory.model_dump(), other.memory.model_dump()
    return run.mesh == other.mesh and sum(before[name] != after[name] for name in before) == 1


def _single_changes(run: RunConfig) -> Iterator[RunConfig]:
    memory, rows = run.memory, run.rows // (run.mesh.dp * run.mesh.fsdp)
    steps = memory.gradient_accumulation_steps
    changes: list[dict[str, object]] = [{"gradient_accumulation_steps": part} for part in range(steps + 1, rows + 1) if rows % part == 0]
    changes += [{"remat": remat} for remat in get_args(Remat) if remat != memory.remat]
    if memory.mlp_tile is None and run.context_length > TILE * run.mesh.sp:
        changes.append({"mlp_tile": TILE * run.mesh.sp})
    for change in changes:
        yield run.model_copy(update={"memory": memory.model_copy(update=change)})


def faster_settings(run: RunConfig, device: Device, used: int, available: int) -> RunConfig | None:
    """The fastest settings by estimate that should fit, as the run does with `used` bytes; None where none is much faster."""
    scale, seconds = used / estimate_memory(run).total, estimate_step_time(run, device).seconds
    for candidate in candidates(run, device):
        if estimate_step_time(candidate, device).seconds > GAIN * seconds:
            return None
        if scale * estimate_memory(candidate).total <= ROOM * available:
            return candidate
    return None
