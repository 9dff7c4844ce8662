"""When a stage does not fit: other settings of it, fastest by estimate first, compiled until one fits."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.candidates import candidates
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.memory_estimate import guess
from lwm_trainer.fit.fit import Fit, fit

LIMIT = 6
"""Compiles of one search: each takes minutes."""

LEAST_SAVING = 0.85
"""Of the guessed memory of the last one that did not fit: a candidate is compiled only if it is guessed to need clearly less."""


def search(run: RunConfig, target: Target, say: Callable[[str], None], *, limit: int = LIMIT, keep: Path | None = None) -> Iterator[Fit]:
    """Every candidate that was compiled; the last one fits, if any does. None for a CPU target.

    A refusal for HBM passes over all candidates that are guessed to need hardly less; one for a kernel's own memory speaks of that
    split of sp only.
    """
    family = target.tpu_family
    if family is None:
        return
    bound, kernels = float("inf"), set[tuple[int, int]]()
    left = limit
    for other in candidates(run, family.device):
        ring = (other.context_length // other.mesh.ring, other.mesh.ulysses or 1)
        if guess(other).total >= bound or ring in kernels:
            continue
        if left == 0:
            return
        left -= 1
        say(f"candidate {limit - left} of at most {limit}: {name(other)}")
        found = fit(other, target, say, keep=keep)
        yield found
        if found.fits:
            return
        refusal = found.measured.refusal
        if refusal is not None and refusal.space != "hbm":
            kernels.add(ring)
        else:
            bound = LEAST_SAVING * guess(other).total


def name(run: RunConfig) -> str:
    """The settings in one line."""
    mesh, memory = run.mesh, run.memory
    axes = " ".join(f"{axis} {value}" for axis, value in mesh.model_dump(by_alias=True, exclude_none=True).items() if value != 1)
    tile = f", mlpTile {memory.mlp_tile}" if memory.mlp_tile else ""
    return f"{axes}; remat {memory.remat}, accumulation {memory.gradient_accumulation_steps}{tile}"


def snippet(run: RunConfig) -> str:
    """Mesh and memory as YAML, to be pasted into the stage."""
    parts = []
    for field, record in (("mesh", run.mesh), ("memory", run.memory)):
        values = record.model_dump(by_alias=True, exclude_none=True, exclude_defaults=True)
        inner = ", ".join(f"{key}: {value}" for key, value in values.items())
        if inner:
            parts.append(f"{field}: {{{inner}}}")
    return "\n".join(parts)
