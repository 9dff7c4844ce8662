"""How long each committed step took and how many tokens it had: what a stage's curves show beside its record.

It is an item of every checkpoint beside the record and no part of the record's hash, because it differs from machine to machine.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.runtime.step_report import StepReport

Arrays = dict[str, NDArray[Any]]
"""seconds float32[steps], tokens uint32[steps] without padding, finished_at uint32[steps] in seconds of Unix time. Zero where a step is not
done, and for the steps of a trainer that kept no timings."""


class StepTimings:
    """Filled step by step, saved and restored as plain arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    @classmethod
    def empty(cls, steps: int) -> Self:
        """No step entered yet."""
        return cls(
            {"seconds": np.zeros(steps, np.float32), "tokens": np.zeros(steps, np.uint32), "finished_at": np.zeros(steps, np.uint32)}
        )

    def add(self, report: StepReport) -> None:
        """Enter a step; one that is run again after a restart replaces its entry."""
        index = report.step - 1
        self.arrays["seconds"][index] = report.seconds
        self.arrays["tokens"][index] = report.batch_tokens
        self.arrays["finished_at"][index] = int(report.finished_at)

    def copy(self) -> Arrays:
        """A copy for an asynchronous save, which later steps do not change."""
        return {name: array.copy() for name, array in self.arrays.items()}

    @property
    def seconds(self) -> NDArray[np.float32]:
        return self.arrays["seconds"]

    @property
    def tokens(self) -> NDArray[np.uint32]:
        return self.arrays["tokens"]

    @property
    def finished_at(self) -> NDArray[np.uint32]:
        return self.arrays["finished_at"]
