"""The one thread that owns the model. Requests wait in a queue of limited length, in the order in which they came."""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.serving.errors import ApiError, internal_error, stopping
from lwm_trainer.serving.job import Ended, Job, Prefill, Step
from lwm_trainer.serving.metrics import BatchMetrics, ServingMetrics


class _GoneError(Exception):
    """Nobody waits for what is computed."""


class _Row(NamedTuple):
    """One answer of a job."""

    job: Job
    number: int
    request: Request


class EngineThread:
    """Answers jobs. Those that wait together are computed together, as far as there are rows for them."""

    def __init__(self, generator: Generator, *, queue_length: int, rows: int) -> None:
        """`queue_length`: jobs that may wait. `rows`: rows of the cache that are computed together; a guided answer takes two."""
        self._generator, self._queue_length, self.rows = generator, queue_length, rows
        self._waiting: deque[Job] = deque()
        self._running: Sequence[Job] = ()
        self._changed = threading.Condition()
        self._stopping = False
        self._preparing = 0
        self.metrics = ServingMetrics()
        self.metrics.watch(lambda: self.queue, lambda: generator.cache_use)
        self._seconds = 1.0
        """A moving average of how long a batch takes."""
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def healthy(self) -> bool:
        """Whether it answers and takes requests."""
        return self._thread.is_alive() and not self._stopping

    @property
    def queue(self) -> int:
        """Jobs that wait."""
        with self._changed:
            return sum(not job.cancelled for job in self._waiting)

    def submit(self, job: Job) -> None:
        """Let the job wait for its turn. Raises ApiError where the queue is full or the server is stopping."""
        with self._changed:
            if self._stopping:
                raise stopping()
            self._waiting = deque(each for each in self._waiting if not each.cancelled)
            if len(self._waiting) >= self._queue_length:
                raise self._full()
            self._waiting.append(job)
            self._changed.notify()

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Around reading a request and making its prompt, which takes memory and time: no more of them at once than may wait.

        Raises ApiError where there are as many already.
        """
        with self._changed:
            if self._preparing >= self._queue_length:
                raise self._full()
            self._preparing += 1
        try:
            yield
        finally:
            with self._changed:
                self._preparing -= 1

    def _full(self) -> ApiError:
        seconds = max(1, round(self._seconds * len(self._waiting) / self.rows))
        message = f"{self._queue_length} requests wait already: try again in {seconds} s"
        return ApiError(429, message, code="queue_full", headers={"Retry-After": str(seconds)})

    def stop(self) -> None:
        """Take no more jobs; the thread ends when all are answered."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def cancel_all(self) -> None:
        """End the jobs that wait and those that are being answered."""
        with self._changed:
            for job in (*self._waiting, *self._running):
                job.cancel()
                job.send(Ended(stopping()))

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; returns whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while jobs := self._take():
            begun = time.monotonic()
            self.metrics.running.set(len(jobs))
            try:
                self._answer(jobs)
                error: ApiError | None = None
            except Exception as failure:
                report(failure)
                self._generator.forget()
                error = internal_error()
            self.metrics.running.set(0)
            for job in jobs:
                job.send(Ended(error))
            self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - begun)

    def _take(self) -> list[Job]:
        """The next jobs, those that came first and have rows together; none when the thread is to end."""
        with self._changed:
            taken: list[Job] = []
            while not taken:
                while not self._waiting:
                    if self._stopping:
                        return []
                    self._changed.wait()
                rows = 0
                while self._waiting and (not taken or rows + _rows_of(self._waiting[0]) <= self.rows):
                    job = self._waiting.popleft()
                    if not job.cancelled:
                        taken.append(job)
                        rows += _rows_of(job)
            self._running = taken
            return taken

    def _answer(self, jobs: Sequence[Job]) -> None:
        rows = [_Row(job, number, request) for job in jobs for number, request in enumerate(job.requests)]
        together = self.rows // max(_rows_of_answer(row.request) for row in rows)
        for begin in range(0, len(rows), together):
            if not all(job.cancelled for job in jobs):
                self._answer_together(rows[begin : begin + together])

    def _answer_together(self, rows: Sequence[_Row]) -> None:
        jobs = list(dict.fromkeys(row.job for row in rows))

        def gone() -> bool:
            return all(job.cancelled for job in jobs)

        def progress(done: int, total: int) -> None:
            if gone():
                raise _GoneError
            for job in jobs:
                job.send(Prefill(done, total))

        firsts = [number for number, row in enumerate(rows) if row.number == 0]
        batch = BatchMetrics(self.metrics, [rows[number].job.begun for number in firsts], len(rows))
        steps = self._generator.generate([row.request for row in rows], max(job.top for job in jobs), progress)
        try:
            for pieces in steps:
                if gone():
                    return
                batch.step(pieces, [self._generator.usage[number] for number in firsts])
                for job in jobs:
                    own = [piece for piece in pieces if rows[piece.request].job is job]
                    if own:
                        usage = self._generator.usage[own[0].request]
                        job.send(Step([piece._replace(request=rows[piece.request].number) for piece in own], usage))
        except _GoneError:
            pass
        finally:
            steps.close()
            batch.end()


def _rows_of(job: Job) -> int:
    return sum(map(_rows_of_answer, job.requests))


def _rows_of_answer(request: Request) -> int:
    """Rows of the cache: a guided answer has an unconditional one beside it."""
    return 1 if request.settings.guidance == 1 else 2


def report(error: Exception) -> None:
    """Say where something failed, and nothing of what it was about: messages of exceptions may quote a request."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    print(f"lwm serve: {type(error).__name__} in {frame.name}, {frame.filename}:{frame.lineno}", file=sys.stderr, flush=True)
