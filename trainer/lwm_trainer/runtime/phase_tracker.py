"""Where this process stands: phase, step, and since when neither has changed.

The training thread tells it; the watchdog, the reporter and the last words read it. Every process of the gang has its own.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lwm_trainer.config import RENDEZVOUS_SECONDS, Hang, Phase

DEADLINES = {
    Phase.RENDEZVOUS: RENDEZVOUS_SECONDS + 60,  # JAX's own abort comes first and says which host is missing
    Phase.LOADING_DATA: 1800,
    Phase.RESTORING: 1800,
    Phase.COMPILING: 3600,
    Phase.TRAINING: 1800,
    Phase.SAVING: 1800,
    Phase.COMPLETE: 600,
}
"""Seconds that each phase may go without a new step before it counts as a hang; in training, of the first steps of an attempt only."""

_RECENT, _ENOUGH = 64, 3


@dataclass(frozen=True, slots=True)
class PhaseSnapshot:
    """What `PhaseTracker.now` saw."""

    phase: Phase
    deadline_seconds: int
    idle_seconds: float
    done: int
    """Steps since the stage began whose loss has been looked at."""
    handed_over: int
    """Steps that this host has handed to its devices: of a gang that hangs, the host with the smallest number holds up the others."""


class PhaseTracker:
    """Its methods may be called from any thread. `clock` gives seconds that only grow."""

    def __init__(self, hang: Hang, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.listener: Callable[[], None] = lambda: None
        """Called when a phase is entered."""
        self._trains = False
        self._hang, self._clock = hang, clock
        self._lock = threading.Lock()
        self._phase = Phase.RENDEZVOUS
        self._changed = clock()
        self._done = self._handed_over = 0
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._first = True

    def enter(self, phase: Phase) -> None:
        self._set(phase)
        self.listener()

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Be in `phase` for a while that is mostly short: who asks meanwhile is told, but nobody is called."""
        before = self._phase
        self._set(phase)
        yield
        self._set(before)

    def trains(self) -> bool:
        """Whether the step loop has begun."""
        with self._lock:
            return self._trains

    def resumed(self, step: int) -> None:
        """The attempt begins at `step` steps done."""
        with self._lock:
            self._done = self._handed_over = step

    def handing_over(self, step: int) -> None:
        """Step `step` (from 0) has its batch and goes to the devices now."""
        with self._lock:
            self._handed_over, self._changed = step + 1, self._clock()

    def step(self, done: int, seconds: float) -> None:
        """`done` steps are done, the last one in `seconds`."""
        with self._lock:
            self._done, self._changed = done, self._clock()
            if not self._first:  # the first one warms everything up, which says nothing of a usual step
                self._recent.append(seconds)
            self._first = False

    def now(self) -> PhaseSnapshot:
        with self._lock:
            return PhaseSnapshot(self._phase, self._deadline(), self._clock() - self._changed, self._done, self._handed_over)

    def _set(self, phase: Phase) -> None:
        with self._lock:
            self._phase, self._changed = phase, self._clock()
            self._trains |= phase is Phase.TRAINING

    def _deadline(self) -> int:
        if self._phase is not Phase.TRAINING:
            return DEADLINES[self._phase]
        if len(self._recent) < _ENOUGH:
            return max(DEADLINES[Phase.TRAINING], self._hang.min_seconds)
        usual = sorted(self._recent)[math.ceil(0.95 * len(self._recent)) - 1]
        return max(self._hang.min_seconds, math.ceil(self._hang.step_factor * usual))
