"""The one thread that owns the model. Requests wait in a queue of limited length, and are answered in the order in which they came."""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from lwm_trainer.sampling.piece import Piece, Usage
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.running_batch import Advance, Joined
from lwm_trainer.serving.errors import ApiError, internal_error, stopping
from lwm_trainer.serving.job import Ended, Job, Prefill, Step
from lwm_trainer.serving.metrics import JobMetrics, ServingMetrics


class Batch(Protocol):
    """What the thread needs of a `RunningBatch`."""

    @property
    def joining(self) -> bool: ...
    @property
    def idle(self) -> bool: ...
    @property
    def free(self) -> int: ...
    def join(self, requests: Sequence[Request], top: int = 0, /) -> list[Joined]: ...
    def advance(self) -> Advance: ...
    def cancel(self, number: int, /) -> None: ...


class Batches(Protocol):
    """What the thread needs of a `Generator`."""

    @property
    def cache_use(self) -> float: ...
    def batch(self, rows: int, /) -> Batch: ...
    def start_anew(self) -> None: ...


@dataclass(slots=True)
class _Running:
    """A job that is being answered."""

    job: Job
    metrics: JobMetrics
    waiting: deque[int]
    """Numbers of its answers that have no row yet."""
    joined: dict[int, int] = field(default_factory=dict)
    """Its answers under way: the number in the job by the number in the batch."""
    usage: Usage | None = None
    """That of its first answer, whose prompt the later ones share."""
    begun: float = field(default_factory=time.monotonic)


class EngineThread:
    """Answers jobs. A job's answers join those that are under way as soon as there are rows for them, and leave when they end."""

    def __init__(self, generator: Batches, *, queue_length: int, rows: int) -> None:
        """`queue_length`: jobs that may wait. `rows`: rows of the cache that are computed together; a guided answer takes two."""
        self._generator, self._queue_length, self.rows = generator, queue_length, rows
        self._waiting: deque[Job] = deque()
        self._running: list[_Running] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._preparing = 0
        self.metrics = ServingMetrics()
        self.metrics.watch(lambda: self.queue, lambda: generator.cache_use)
        self._seconds = 1.0
        """A moving average of how long a job takes."""
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
            for job in (*self._waiting, *(running.job for running in self._running)):
                job.cancel()
                job.send(Ended(stopping()))

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; returns whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._wait():
            try:
                batch = self._generator.batch(self.rows)
                self._drop_cancelled(batch)
                self._let_join(batch)
                if not batch.idle:
                    self._deliver(*batch.advance())
                error: ApiError | None = None
            except Exception as failure:
                report(failure)
                self._generator.start_anew()
                error = internal_error()
                if not self._running:
                    self._next()  # else the same would fail for it again and again
            for running in [each for each in self._running if error is not None or not (each.joined or each.waiting)]:
                self._end(running, error)

    def _wait(self) -> bool:
        """Wait for something to do; False when the thread is to end."""
        with self._changed:
            while not self._running and not self._waiting:
                if self._stopping:
                    return False
                self._changed.wait()
            return True

    def _drop_cancelled(self, batch: Batch) -> None:
        for running in [each for each in self._running if each.job.cancelled]:
            for number in running.joined:
                batch.cancel(number)
            self._end(running, None)

    def _let_join(self, batch: Batch) -> None:
        """Give free rows to answers, those of jobs that came first before others."""
        if batch.joining:
            return
        free = batch.free
        taken: list[tuple[_Running, int]] = []
        while (running := self._next()) is not None:
            needed = _rows_of_answer(running.job.requests[running.waiting[0]])
            if needed > free:
                break
            free -= needed
            taken.append((running, running.waiting.popleft()))
        if not taken:
            return
        requests = [running.job.requests[number] for running, number in taken]
        for (running, number), joined in zip(taken, batch.join(requests, max(running.job.top for running, _ in taken)), strict=True):
            running.joined[joined.number] = number
            running.usage = running.usage or joined.usage

    def _next(self) -> _Running | None:
        """The job whose answers are to join next; None where nobody waits."""
        for running in self._running:
            if running.waiting:
                return running
        with self._changed:
            while self._waiting:
                job = self._waiting.popleft()
                if not job.cancelled:
                    running = _Running(job, JobMetrics(self.metrics, job.begun, len(job.requests)), deque(range(len(job.requests))))
                    self._running.append(running)
                    self.metrics.running.set(len(self._running))
                    return running
        return None

    def _deliver(self, pieces: Sequence[Piece], prefill: tuple[int, int] | None) -> None:
        for running in self._running:
            own = [piece._replace(request=running.joined[piece.request]) for piece in pieces if piece.request in running.joined]
            if own and running.usage is not None:
                running.metrics.step(own, running.usage)
                running.job.send(Step(own, running.usage))
            elif prefill is not None:
                running.job.send(Prefill(*prefill))
            for piece in pieces:
                if piece.reason is not None:
                    running.joined.pop(piece.request, None)

    def _end(self, running: _Running, error: ApiError | None) -> None:
        running.metrics.end()
        self._seconds = 0.8 * self._seconds + 0.2 * (time.monotonic() - running.begun)
        with self._changed:
            self._running.remove(running)
        self.metrics.running.set(len(self._running))
        running.job.send(Ended(error))


def _rows_of_answer(request: Request) -> int:
    """Rows of the cache: a guided answer has an unconditional one beside it."""
    return 1 if request.settings.guidance == 1 else 2


def report(error: Exception) -> None:
    """Say where something failed, and nothing of what it was about: messages of exceptions may quote a request."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    print(f"lwm serve: {type(error).__name__} in {frame.name}, {frame.filename}:{frame.lineno}", file=sys.stderr, flush=True)
