"""Feeds trackers with committed steps from threads of their own, so that training never waits for one.

A tracker gets steps from the record once they are committed. So what an attempt did after its last commit is in no curve, and what a
tracker missed it gets with the next commit: nothing is queued and nothing is dropped.
"""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import islice

from lwm_trainer.runtime import console
from lwm_trainer.runtime.redaction import redact
from lwm_trainer.tracking.curves import Curves
from lwm_trainer.tracking.tracker import Tracker

CLOSE_SECONDS = 20.0
"""How long the end of an attempt waits for its trackers, all together."""
_LOG_SECONDS = 60.0
_POINTS = 500
"""Points handed over at once."""


class Feed:
    """The trackers of an attempt. Its methods never raise and never wait, but `close`."""

    def __init__(self, curves: Curves, trackers: Sequence[Tracker], failed: Callable[[str], None] = lambda _: None) -> None:
        """`failed` is called with a tracker's name after each failure, from the tracker's thread."""
        self._workers = [_Worker(curves, tracker, failed) for tracker in trackers]

    def committed(self, step: int) -> None:
        """The steps up to `step` are committed."""
        for worker in self._workers:
            worker.until(step)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Hand over what is committed and end; waits `seconds` at most."""
        for worker in self._workers:
            worker.closing()
        deadline = time.monotonic() + seconds
        for worker in self._workers:
            worker.join(deadline)


class _Worker:
    def __init__(self, curves: Curves, tracker: Tracker, failed: Callable[[str], None]) -> None:
        self._curves, self._tracker, self._failed = curves, tracker, failed
        self._condition = threading.Condition()
        self._committed, self._handled, self._closing = 0, -1, False
        self._delivered: int | None = None
        """None: the curve is not open."""
        self._failures, self._logged_at = 0, -_LOG_SECONDS
        self._thread = threading.Thread(target=self._run, name=f"tracker-{tracker.name}", daemon=True)
        self._thread.start()

    def until(self, step: int) -> None:
        with self._condition:
            self._committed = step
            self._condition.notify()

    def closing(self) -> None:
        with self._condition:
            self._closing = True
            self._condition.notify()

    def join(self, deadline: float) -> None:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive() or self._delivered != self._committed:
            missing = f"steps {(self._delivered or 0) + 1} to {self._committed}"
            console.warn(f"trackers.{self._tracker.name}: it has not confirmed {missing}; the checkpoint's record has them")

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._closing or self._committed != self._handled)
                self._handled, closing = self._committed, self._closing
            try:
                self._deliver(self._handled)
                if closing:
                    self._tracker.close()
            except Exception as error:
                self._delivered = None
                self._count_failure(error)
            if closing:
                return

    def _deliver(self, until: int) -> None:
        if self._delivered is None:
            self._delivered = self._tracker.resume()
        remaining = self._curves.points(self._delivered, until)
        while points := list(islice(remaining, _POINTS)):
            self._tracker.write(points)
            self._delivered = points[-1].step

    def _count_failure(self, error: Exception) -> None:
        self._failures += 1
        self._failed(self._tracker.name)
        now = time.monotonic()
        if now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            latest = redact(f"{type(error).__name__}: {error}")
            console.warn(f"trackers.{self._tracker.name}: {self._failures} failures, latest: {latest}; the next commit tries again")
