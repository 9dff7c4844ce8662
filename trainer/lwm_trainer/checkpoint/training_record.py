"""The record of a stage: for every step since it began, the bits of loss and gradient norm and the hash of its tokens.

It is an item of every checkpoint, so it is committed together with the parameters and has each step exactly once, however often a step
was run again after a kill.
"""

import hashlib
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.checkpoint.step_measurements import StepMeasurements
from lwm_trainer.config import ValidationLoss
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.runtime.step_report import StepReport

Arrays = dict[str, NDArray[np.uint32]]
"""loss_bits, grad_norm_bits (float32 seen as uint32), tokens_hash; with a vision vocabulary also text_loss_bits and vision_loss_bits,
NaN's where a step had no target of one; in a stage that skips spikes also skipped, 1 for a skipped step. Each uint32[steps], zero beyond
the last step done."""

NAMES = ("loss_bits", "grad_norm_bits", "tokens_hash")
MODALITIES = ("text", "vision")
SKIPPED = "skipped"


class Record:
    """Filled step by step, saved and restored as plain arrays."""

    def __init__(self, arrays: Arrays, validations: Sequence[ValidationLoss] = (), measurements: StepMeasurements | None = None) -> None:
        self.arrays = arrays
        self.measurements = measurements if measurements is not None else StepMeasurements.empty(len(arrays["loss_bits"]))
        """An item of its own in a checkpoint, too, and no part of the hash."""
        self.validations = list(validations)
        """The losses of all validations since the stage began, in their order. They are a file of their own in a checkpoint."""

    @classmethod
    def empty(cls, steps: int, vision: bool = False, skips: bool = False) -> Self:
        """No step entered yet.

        Args:
            vision: the model has a vision vocabulary, so each modality's loss is kept.
            skips: the stage skips spikes, so the steps that it skipped are kept.
        """
        names = [*NAMES, *(_loss_array(modality) for modality in MODALITIES if vision), *([SKIPPED] if skips else [])]
        return cls({name: np.zeros(steps, np.uint32) for name in names})

    @classmethod
    def empty_of(cls, run: config.RunConfig) -> Self:
        """The record of a run's stage before its first step."""
        return cls.empty(run.steps, vision=run.model.vision is not None, skips=run.optimizer.skip_spikes is not None)

    def add(self, report: StepReport) -> None:
        """Enter a step; one that is run again after a restart replaces its entry."""
        index = report.step - 1
        self.arrays["loss_bits"][index] = np.float32(report.loss).view(np.uint32)
        self.arrays["grad_norm_bits"][index] = np.float32(report.grad_norm).view(np.uint32)
        self.arrays["tokens_hash"][index] = report.tokens_hash
        for modality, loss in report.modality_losses.items():
            self.arrays[_loss_array(modality)][index] = np.float32(loss).view(np.uint32)
        if report.skipped is not None:
            self.arrays[SKIPPED][index] = report.skipped
        self.measurements.add(report)

    def validated(self, step: int) -> list[ValidationLoss]:
        """The losses of the validation after `step` steps; none where there was no validation."""
        return [each for each in self.validations if each.step == step]

    def require_steps(self, steps: int, place: str) -> None:
        """Raises CheckpointMismatchError for a stage with another number of steps: it would have had other learning rates."""
        if len(self.losses) != steps:
            raise CheckpointMismatchError(
                f"{place}: steps is {len(self.losses)} in the checkpoint, but {steps} in this run: use the number that it began with"
            )

    def copy(self) -> Arrays:
        """A copy for an asynchronous save, which later steps do not change."""
        return {name: array.copy() for name, array in self.arrays.items()}

    @property
    def losses(self) -> NDArray[np.float32]:
        return self.arrays["loss_bits"].view(np.float32)

    @property
    def grad_norms(self) -> NDArray[np.float32]:
        return self.arrays["grad_norm_bits"].view(np.float32)

    @property
    def skipped(self) -> NDArray[np.uint32]:
        """1 for each step that was skipped. Raises KeyError for a stage that skips none."""
        return self.arrays[SKIPPED]

    def modality_losses(self, modality: str) -> NDArray[np.float32]:
        """The losses of one modality, text or vision. Raises KeyError for a stage without a vision vocabulary."""
        return self.arrays[_loss_array(modality)].view(np.float32)

    def hash(self) -> str:
        """SHA-256 over the little-endian bytes of all arrays: those of NAMES in their order, then the modalities', then the skipped."""
        names = (*NAMES, *(name for name in (*map(_loss_array, MODALITIES), SKIPPED) if name in self.arrays))
        return hashlib.sha256(b"".join(self.arrays[name].astype("<u4").tobytes() for name in names)).hexdigest()


def _loss_array(modality: str) -> str:
    return f"{modality}_loss_bits"
