"""Will a stage fit, and how fast will it be: what the compiler measured and what arithmetic predicts, in one record."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.compile.compile_result import CompileResult
from lwm_trainer.fit.compile.compiler import compiled
from lwm_trainer.fit.compile.target import Target
from lwm_trainer.fit.estimate.step_time import Estimate, estimate
from lwm_trainer.ring.ring_ulysses_split import resolve_mesh


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    run: RunConfig
    """With the Ulysses degree given."""
    target: Target
    measured: CompileResult
    estimate: Estimate | None
    """None where the chip's rates are not known."""
    kept: bool
    """Whether the compiler had been asked before."""

    @property
    def fits(self) -> bool | None:
        """None: the compiler says what is used, but how much there is is not known."""
        memory, available = self.measured.memory, self.target.available_bytes
        if memory is None:
            return False
        return None if available is None else memory.used <= available

    @property
    def margin_bytes(self) -> int | None:
        """Of the HBM that a program may use; negative when it does not suffice."""
        available = self.target.available_bytes
        if available is None:
            return None
        memory, refusal = self.measured.memory, self.measured.refusal
        used = memory.used if memory is not None else refusal.needed_bytes if refusal is not None and refusal.space == "hbm" else None
        return None if used is None else available - used


def with_resolved_mesh(run: RunConfig) -> RunConfig:
    """The same stage with the Ulysses degree that the trainer would choose written out, so that it can be compared with others."""
    return run.model_copy(update={"mesh": resolve_mesh(run).mesh})


def fit(run: RunConfig, target: Target, say: Callable[[str], None], *, keep: Path | None = None) -> Fit:
    """Compile the stage's train step for the target, or take a kept answer. Raises FitError, see `compiled`."""
    run = with_resolved_mesh(run)
    measured, known = compiled(run, target, say, keep=keep)
    family = target.tpu_family
    return Fit(
        run=run,
        target=target,
        measured=measured,
        estimate=estimate(run, family.device) if family is not None else None,
        kept=known,
    )
