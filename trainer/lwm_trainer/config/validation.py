"""Validation of a stage: the loss on documents that it does not train on."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract
from lwm_trainer.config.dataset import Dataset

MAX_VALIDATIONS = 1000
"""Validations of a stage, at most: the results of all of them are in every checkpoint."""


class Validation(Contract):
    """Validation of a stage."""

    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1)]
    """The held-out data sets. Their weights mean nothing."""
    batches: Annotated[int, Field(ge=1)]
    """Batches of each data set, of `batch_tokens` each: the same ones every time. A data set that has fewer is read once."""
    interval_steps: Annotated[int, Field(ge=1)] | None = None
    """Steps between two validations. None: only after the last step, which always has one."""

    def due(self, done: int, steps: int) -> bool:
        """Whether to validate after `done` of `steps` steps."""
        return done == steps or (self.interval_steps is not None and done > 0 and done % self.interval_steps == 0)


class PositionLoss(Contract):
    """Loss of the targets at some positions of their document."""

    end: int
    """The positions are end / 2 to end (exclusive), from 0; the first range is position 0 alone, with end 1."""
    loss: float
    targets: int


class ValidationLoss(Contract):
    """Loss of one data set in one modality after some steps."""

    step: int
    dataset: str
    modality: str
    """text or vision."""
    loss: float
    """Mean cross-entropy of the targets in nats. Every target in the loss mask counts alike, whatever `loss.weighting` says."""
    targets: int
    positions: tuple[PositionLoss, ...]
    """The same by the position of the predicted token's predecessor in its document, in powers of two; ranges without a target are left
    out."""
