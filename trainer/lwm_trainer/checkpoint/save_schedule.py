"""When the training saves: every so many steps, and where it is asked for, so many minutes after the last save began."""

import time
from collections.abc import Callable

from lwm_trainer import config


class SaveSchedule:
    """Asked once after each step, by every process.

    Minutes are those of process 0's clock: it decides and tells the others, so that all save after the same step. The record and the state
    do not depend on it.
    """

    def __init__(
        self, checkpoint: config.Checkpoint, share: Callable[[int, bool], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`share` returns process 0's decision after a step in every process."""
        self._steps, self._minutes = checkpoint.save_interval_steps, checkpoint.save_interval_minutes
        self._share, self._clock = share, clock
        self._began = clock()

    def due(self, done: int) -> bool:
        """Whether to save after `done` steps; a save is taken to begin now."""
        due = done % self._steps == 0
        if not due and self._minutes is not None:
            due = self._share(done, self._clock() - self._began >= 60 * self._minutes)
        if due:
            self._began = self._clock()
        return due
