"""Where an attempt starts from, and what divergence has put off the line."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract


class Rollback(Contract):
    """A stage diverged: attempts from `attempt` on are a new line, which takes from earlier ones nothing after `step`.

    From step `step` on (0-based: the step that is computed next), every step draws its batch `skipBatches` further on, so that the data
    that led to the divergence is not met again.
    """

    attempt: Annotated[int, Field(ge=2)]
    """First attempt (1-based) of the new line."""
    step: Annotated[int, Field(ge=0)]
    """The newest step that is kept; 0: none, the stage begins anew."""
    skip_batches: Annotated[int, Field(ge=0)] = 0
    """Those between the kept step and the divergence, and failurePolicy.onDivergence.skipBatches."""


class Start(Contract):
    """Where an attempt takes its parameters from.

    `earlier_attempts`: this stage's earlier attempts, newest first; the newest commit on their line is resumed in full, as far as
    `rollbacks` (in the order in which they happened) lets it count. When none of them committed, `stage_checkpoint` (the Orbax step
    folder of the stage before; of the first stage, what spec.model.initFrom names) gives parameters only; without it they are drawn from
    the seed.
    """

    earlier_attempts: tuple[int, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    stage_checkpoint: str | None = None

    def counts_until(self, attempt: int) -> int | None:
        """The last step of `attempt` that is on the line of record; None when all of it is."""
        return min((rollback.step for rollback in self.rollbacks if rollback.attempt > attempt), default=None)

    def batch_of(self, step: int) -> int:
        """Which batch of the data's order step `step` (0-based) computes with: its own number, moved on by every rollback before it."""
        return step + sum(rollback.skip_batches for rollback in self.rollbacks if step >= rollback.step)
