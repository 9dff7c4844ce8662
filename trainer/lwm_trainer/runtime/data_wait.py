"""How long the devices wait for their batches: a host makes a batch while the step before it runs, so mostly not at all."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol


class Result(Protocol):
    """What is asked of a jax.Array."""

    def block_until_ready(self) -> object: ...


class DataWait:
    """A thread notes when each step ends on the devices. The rest is called from the training thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._dispatched: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self._newest, self._ended = 0, (0, clock())
        self._seconds = 0.0
        threading.Thread(target=self._watch, name="step-ends", daemon=True).start()

    def dispatched(self, result: Result) -> None:
        """The devices have a step to do, of which `result` is an output."""
        self._newest += 1
        self._dispatched.put((self._newest, result))

    @contextmanager
    def making_batch(self) -> Iterator[None]:
        """While a batch is made: the time from the end of the newest step on, if that has ended, is waited."""
        began = self._clock()
        yield
        now, (number, ended_at) = self._clock(), self._ended
        self._seconds = now - max(began, ended_at) if number == self._newest else 0.0

    @property
    def seconds(self) -> float:
        """How long the devices waited for the newest batch."""
        return self._seconds

    def _watch(self) -> None:
        with suppress(Exception):  # the training thread reads the same result, and raises
            while True:
                number, result = self._dispatched.get()
                result.block_until_ready()
                self._ended = (number, self._clock())
