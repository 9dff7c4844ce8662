"""Where an attempt starts from, and what divergence has put off the line."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract


class Rollback(Contract):
    """A rollback after a divergence. Attempts from `attempt` on use no checkpoint after `step` of earlier attempts.

    Steps from `step` on (0-based: the next step) use the batch that is `skipBatches` later in the data order, so that the data that led to
    the divergence is not used again.
    """

    attempt: Annotated[int, Field(ge=2)]
    """First attempt (1-based) after the rollback."""
    step: Annotated[int, Field(ge=0)]
    """Step of the checkpoint to which the stage returned. 0: the beginning of the stage."""
    skip_batches: Annotated[int, Field(ge=0)] = 0
    """Skipped batches: those between the checkpoint and the divergence, and failurePolicy.onDivergence.skipBatches."""


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
