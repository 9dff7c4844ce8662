"""The starting point of an attempt, and rollbacks after divergences."""

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
    """The source of an attempt's parameters.

    The attempt resumes from the newest checkpoint of `earlier_attempts` (newest first) that `rollbacks` (oldest first) do not exclude,
    with optimizer state. Without such a checkpoint it takes only the parameters of `stage_checkpoint`: the Orbax step folder of the
    previous stage, or spec.model.initFrom for the first stage. Without that, the first stage draws its parameters from the seed.
    """

    earlier_attempts: tuple[int, ...] = ()
    rollbacks: tuple[Rollback, ...] = ()
    stage_checkpoint: str | None = None
    committed_step: Annotated[int, Field(ge=0)] = 0
    """Step of the stage's newest checkpoint as the operator knows it; 0: none. Where the storage has none at all, that is an error."""
    gate_waived: bool = False
    """Whether the stage is complete after its last step, whatever its gate says."""
    predecessor: str | None = None
    """Root of an earlier run that this one continues: a stage without a checkpoint of its own takes the newest one of that run."""

    def counts_until(self, attempt: int) -> int | None:
        """The last step of `attempt` that rollbacks do not exclude; None if they exclude none."""
        return min((rollback.step for rollback in self.rollbacks if rollback.attempt > attempt), default=None)

    def batch_of(self, step: int) -> int:
        """Index of the batch of step `step` (0-based) in the data order: the step plus the skipped batches of all rollbacks before it."""
        return step + sum(rollback.skip_batches for rollback in self.rollbacks if step >= rollback.step)
