"""The phase and step that this process is in, and since when neither has changed.

The training thread reports to it; the watchdog, the progress reporter and the termination message read it. Every process of the gang has
its own.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lwm_trainer.config import RENDEZVOUS_SECONDS, Hang, Phase, TimeSpent

DEADLINES = {
    Phase.RENDEZVOUS: RENDEZVOUS_SECONDS + 60,  # JAX's own abort comes first and names the missing host
    Phase.LOADING_DATA: 1800,
    Phase.RESTORING: 1800,
    Phase.COMPILING: 3600,
    Phase.TRAINING: 1800,
    Phase.VALIDATING: 1800,
    Phase.EVALUATING: 1800,
    Phase.SAVING: 1800,
    Phase.COMPLETE: 600,
}
"""Seconds that each phase may go without a new step before it counts as a hang; for training, during the first steps of an attempt only."""

_WINDOW_STEPS, _FEWEST_STEPS = 64, 3


@dataclass(frozen=True, slots=True)
class PhaseSnapshot:
    """The state of a `PhaseTracker` at one moment."""

    phase: Phase
    deadline_seconds: int
    idle_seconds: float
    steps_done: int
    """Steps since the stage began whose loss has been read."""
    steps_dispatched: int
    """Steps that this host has handed to its devices. In a gang that hangs, the host with the smallest number holds up the others."""
    time_spent: Mapping[str, float]
    """Seconds since the tracker was made, by the fields of `TimeSpent`."""


class PhaseTracker:
    """Its methods may be called from any thread. `clock` returns seconds and never goes back."""

    def __init__(self, hang: Hang, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.listener: Callable[[], None] = lambda: None
        """Called when a phase is entered."""
        self._training_started = False
        self._hang, self._clock = hang, clock
        self._lock = threading.Lock()
        self._phase = Phase.RENDEZVOUS
        self._changed = self._entered = clock()
        self._phase_seconds = dict.fromkeys(Phase, 0.0)
        self._data_wait_seconds = 0.0
        self._steps_done = self._steps_dispatched = 0
        self._recent_seconds: deque[float] = deque(maxlen=_WINDOW_STEPS)
        self._first_step = True

    def enter(self, phase: Phase) -> None:
        """Enter a phase and call the listener."""
        self._set(phase)
        self.listener()

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Be in `phase` for a while that is mostly short: a snapshot shows it, but the listener is not called."""
        before = self._phase
        self._set(phase)
        yield
        self._set(before)

    def training_started(self) -> bool:
        """Whether the step loop has begun."""
        with self._lock:
            return self._training_started

    def resumed(self, step: int) -> None:
        """The attempt begins with `step` steps done."""
        with self._lock:
            self._steps_done = self._steps_dispatched = step

    def dispatching(self, step: int) -> None:
        """Step `step` (from 0) has its batch and goes to the devices now."""
        with self._lock:
            self._steps_dispatched, self._changed = step + 1, self._clock()

    def step(self, done: int, seconds: float, data_wait_seconds: float = 0.0) -> None:
        """`done` steps are done, the last one in `seconds`, of which the devices waited `data_wait_seconds` for its batch."""
        with self._lock:
            self._data_wait_seconds += data_wait_seconds
            self._steps_done, self._changed = done, self._clock()
            if not self._first_step:  # the first one includes warm-up, so it is no measure of a usual step
                self._recent_seconds.append(seconds)
            self._first_step = False

    def snapshot(self) -> PhaseSnapshot:
        """The state at this moment."""
        with self._lock:
            idle_seconds = self._clock() - self._changed
            return PhaseSnapshot(self._phase, self._deadline(), idle_seconds, self._steps_done, self._steps_dispatched, self._time_spent())

    def _set(self, phase: Phase) -> None:
        with self._lock:
            now = self._clock()
            self._phase_seconds[self._phase] += now - self._entered
            self._phase, self._changed, self._entered = phase, now, now
            self._training_started |= phase is Phase.TRAINING

    def _time_spent(self) -> Mapping[str, float]:
        seconds = {phase.name.lower(): spent for phase, spent in self._phase_seconds.items()}
        seconds[self._phase.name.lower()] += self._clock() - self._entered
        seconds["data_wait"] = min(self._data_wait_seconds, seconds["training"])
        seconds["training"] -= seconds["data_wait"]
        return {name: seconds[name] for name in TimeSpent.model_fields}

    def _deadline(self) -> int:
        if self._phase is not Phase.TRAINING:
            return DEADLINES[self._phase]
        if len(self._recent_seconds) < _FEWEST_STEPS:
            return max(DEADLINES[Phase.TRAINING], self._hang.min_seconds)
        percentile_95 = sorted(self._recent_seconds)[math.ceil(0.95 * len(self._recent_seconds)) - 1]
        return max(self._hang.min_seconds, math.ceil(self._hang.step_factor * percentile_95))
