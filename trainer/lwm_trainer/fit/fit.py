"""Fit of one stage: the compiler's result and the estimated step time in one record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.compiler import compile_step
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.step_time import StepTimeEstimate, estimate_step_time
from lwm_trainer.ring.ring_ulysses_split import resolve_mesh


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """Whether a stage fits a target, and how fast it will be."""

    run: RunConfig
    """The run config, with its Ulysses degree."""
    target: Target
    compiled: CompileResult
    estimate: StepTimeEstimate | None
    """None when the rates of the chip are not known."""
    cached: bool
    """Whether the compile result was read from the cache."""

    @property
    def fits(self) -> bool | None:
        """Whether the step fits the HBM; None when the HBM of the target is not known."""
        memory, available = self.compiled.memory, self.target.available_bytes
        if memory is None:
            return False
        return None if available is None else memory.used <= available

    @property
    def margin_bytes(self) -> int | None:
        """HBM that stays free; negative when there is too little, None when either number is not known."""
        available = self.target.available_bytes
        if available is None:
            return None
        memory, refusal = self.compiled.memory, self.compiled.refusal
        used = memory.used if memory is not None else refusal.needed_bytes if refusal is not None and refusal.space == "hbm" else None
        return None if used is None else available - used


def with_resolved_mesh(run: RunConfig) -> RunConfig:
    """The run with the Ulysses degree that the trainer would choose, so that it can be compared with others."""
    return run.model_copy(update={"mesh": resolve_mesh(run).mesh})


def fit(run: RunConfig, target: Target, log: Callable[[str], None], *, cache: Path | None = None) -> FitResult:
    """Compile the stage's train step for the target, or read the cached result. Arguments and errors are those of `compile_step`."""
    run = with_resolved_mesh(run)
    compiled, cached = compile_step(run, target, log, cache=cache)
    family = target.tpu_family
    estimate = estimate_step_time(run, family.device) if family is not None else None
    return FitResult(run=run, target=target, compiled=compiled, estimate=estimate, cached=cached)
