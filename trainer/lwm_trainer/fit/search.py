"""Search for settings that fit: small changes of a stage are compiled until one fits, then others, the fastest by estimate first."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.candidates import candidates
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.estimate.step_time import estimate_step_time
from lwm_trainer.fit.fit import FitResult, fit
from lwm_trainer.fit.nearby import GAIN, small_changes

MAX_COMPILES = 6
"""Compilations of one search; each takes minutes."""

LEAST_SAVING = 0.85
"""A candidate is compiled only if its estimated memory is below this share of that of the last candidate that did not fit."""


SMALL_CHANGES = 2
"""Small changes that are compiled, at most: where the calibrated estimate is wrong twice, the search is wider."""


def search(
    run: RunConfig,
    target: Target,
    log: Callable[[str], None],
    *,
    needed: int | None = None,
    limit: int = MAX_COMPILES,
    cache: Path | None = None,
) -> Iterator[FitResult]:
    """Yield every candidate that was compiled: small changes until one fits, then the others until one fits that is faster.

    So the first that fits is the smallest change, if any is, and the last one is the fastest. Yields nothing for a CPU target.

    After a refusal for lack of HBM, candidates whose estimated memory is hardly smaller are skipped. After a refusal for lack of a core's
    memory, candidates with the same ring and Ulysses sizes are skipped.

    Args:
        log: called with a line on the progress.
        needed: bytes that the run itself needs; None: not known, so no small change is tried.
        limit: compilations, at most.
        cache: the folder of compile results.
    """
    family = target.tpu_family
    if family is None:
        return
    small = small_changes(run, family.device, needed, target.available_bytes or 0)[:SMALL_CHANGES] if needed is not None else []
    most_seconds, left = float("inf"), limit
    for change in small[:limit]:
        left -= 1
        log(f"small change, {limit - left} of at most {limit}: {settings_line(change)}")
        result = fit(change, target, log, cache=cache)
        yield result
        if result.fits:
            most_seconds = GAIN * estimate_step_time(change, family.device).seconds
            break
    memory_bound, refused_rings = float("inf"), set[tuple[int, int]]()
    for candidate in candidates(run, family.device):
        if estimate_step_time(candidate, family.device).seconds > most_seconds:
            return
        ring = (candidate.context_length // candidate.mesh.ring, candidate.mesh.ulysses or 1)
        if estimate_memory(candidate).total >= memory_bound or ring in refused_rings:
            continue
        if left == 0:
            return
        left -= 1
        log(f"candidate {limit - left} of at most {limit}: {settings_line(candidate)}")
        result = fit(candidate, target, log, cache=cache)
        yield result
        if result.fits:
            return
        refusal = result.compiled.refusal
        if refusal is not None and refusal.space != "hbm":
            refused_rings.add(ring)
        else:
            memory_bound = LEAST_SAVING * estimate_memory(candidate).total


def settings_line(run: RunConfig) -> str:
    """Mesh and memory settings in one line."""
    mesh, memory = run.mesh, run.memory
    axes = " ".join(f"{axis} {value}" for axis, value in mesh.model_dump(by_alias=True, exclude_none=True).items() if value != 1)
    tile = f", mlpTile {memory.mlp_tile}" if memory.mlp_tile else ""
    return f"{axes}; remat {memory.remat}, accumulation {memory.gradient_accumulation_steps}{tile}"


def yaml_snippet(run: RunConfig) -> str:
    """Mesh and memory settings as YAML, to be pasted into the stage, whose own `memory` it replaces even where all are the defaults."""
    parts = []
    for field, record, always in (("mesh", run.mesh, {}), ("memory", run.memory, {"remat": run.memory.remat})):
        values = always | record.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        inner = ", ".join(f"{key}: {value}" for key, value in values.items())
        if inner:
            parts.append(f"{field}: {{{inner}}}")
    return "\n".join(parts)
