"""What was measured of each committed step besides its losses, such as how long it took: what a stage's curves show beside its record.

It is an item of every checkpoint beside the record and no part of the record's hash, because it differs from machine to machine.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lwm_trainer.runtime.step_report import StepReport

Arrays = dict[str, NDArray[Any]]
"""The arrays of TYPES, each of shape [steps]. Zero where a step is not done, and where it was not measured."""

TYPES: Mapping[str, DTypeLike] = {
    "seconds": np.float32,
    "tokens": np.uint32,  # without padding
    "finished_at": np.uint32,  # seconds of Unix time
    "param_norm": np.float32,
    "data_wait_seconds": np.float32,
    "save_seconds": np.float32,  # how long training waited for the saves between the step before and this one
    "memory_peak_bytes": np.float32,
}


class StepMeasurements:
    """Filled step by step, saved and restored as plain arrays."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    @classmethod
    def empty(cls, steps: int) -> Self:
        """No step entered yet."""
        return cls({name: np.zeros(steps, dtype) for name, dtype in TYPES.items()})

    @classmethod
    def of_saved(cls, saved: Arrays, steps: int) -> Self:
        """Copies of saved arrays; those that an older trainer did not save are zero."""
        return cls(cls.empty(steps).arrays | {name: array.copy() for name, array in saved.items() if name in TYPES})

    def add(self, report: StepReport) -> None:
        """Enter a step; one that is run again after a restart replaces its entry."""
        measured = {
            "seconds": report.seconds,
            "tokens": report.batch_tokens,
            "finished_at": int(report.finished_at),
            "param_norm": report.param_norm,
            "data_wait_seconds": report.data_wait_seconds,
            "save_seconds": report.save_seconds,
            "memory_peak_bytes": report.memory.peak if report.memory is not None else 0,
        }
        for name, value in measured.items():
            self.arrays[name][report.step - 1] = value

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
