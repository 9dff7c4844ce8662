"""The progress of a preparation over all workers. Worker 0 reports it to the operator and to the log."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from lwm_trainer.config import Preparation, Prepared
from lwm_trainer.data.documents.store_schema import Counts

_RATE_SECONDS = 60.0
"""Window over which the rate is measured."""
_FIRST_SKIPPED = 250
"""Characters of the first skipped record's message: the report must stay below the Lease annotation's 2 KiB."""


class PreparationReport:
    """Collects progress; safe to use from several threads."""

    def __init__(self, changed: Callable[[Preparation], None] = lambda _: None, clock: Callable[[], float] = time.monotonic) -> None:
        """`changed` is called with the new progress on every change; `clock` returns seconds."""
        self._changed, self._clock = changed, clock
        self._lock = threading.Lock()
        self._shards = self._size = 0
        self._done: dict[int, Counts] = {}
        self._current = Counts()
        self._bytes, self._encoded = _Rate(clock), _Rate(clock)
        """How fast all workers read bytes of source, and this one encodes frames."""
        self._frames = 0
        self._prepared: Prepared | None = None

    def planned(self, shards: int, size: int, done: dict[int, Counts]) -> None:
        """Set the number of shards and their bytes together. Shards that are `done` already do not count in the rate."""
        with self._lock:
            self._shards, self._size, self._done = shards, size, dict(done)
            self._bytes.begin(self._total().size)
            self._encoded.begin(0)
        self._changed(self.now())

    def frames_encoded(self, count: int) -> None:
        """Add frames of pictures and clips that this worker has encoded."""
        with self._lock:
            self._frames += count
        self._changed(self.now())

    def current(self, counts: Counts) -> None:
        """Set how far this worker is in its current shard."""
        with self._lock:
            self._current = counts
        self._changed(self.now())

    def done(self, counts: dict[int, Counts], current: Counts = Counts()) -> None:  # noqa: B008 - frozen
        """Add complete shards of any worker, and set how far this worker is in its current shard."""
        with self._lock:
            self._done |= counts
            self._current = current
        self._changed(self.now())

    def ended(self, prepared: Prepared, first_skipped: str = "") -> None:
        """Set the prepared store, whether it was made now or before."""
        with self._lock:
            self._prepared = prepared
            self._current = Counts(first_skipped=first_skipped)
        self._changed(self.now())

    def now(self) -> Preparation:
        """The progress so far."""
        with self._lock:
            total = self._total()
            if (prepared := self._prepared) is not None:
                numbers = (prepared.documents, prepared.tokens, self._size, prepared.skipped)
                total = Counts(*numbers, total.first_skipped, prepared.questions)
            rate = self._bytes.now(total.size)
            return Preparation(
                shards=self._shards,
                shards_done=len(self._done),
                documents=total.documents,
                tokens=total.tokens,
                bytes_done=total.size,
                bytes_total=self._size,
                bytes_per_second=rate,
                eta_seconds=round((self._size - total.size) / rate) if rate else None,
                frames=self._frames,
                frames_per_second=self._encoded.now(self._frames),
                skipped=total.skipped,
                first_skipped=total.first_skipped[:_FIRST_SKIPPED],
                questions=total.questions,
                prepared=prepared,
            )

    def _total(self) -> Counts:
        return sum((self._done[number] for number in sorted(self._done)), Counts()) + self._current


class _Rate:
    """How fast a number grows, over the last minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, int]] = deque()
        """Pairs of seconds and the number by then."""

    def begin(self, number: int) -> None:
        """Set the number from which on its growth counts."""
        self._samples.append((self._clock(), number))

    def now(self, number: int) -> float | None:
        """Growth per second; None before `begin`, and while the number has not grown."""
        now = self._clock()
        if not self._samples:
            return None
        while len(self._samples) > 1 and now - self._samples[1][0] >= _RATE_SECONDS:
            self._samples.popleft()
        (then, number_then), (latest, _) = self._samples[0], self._samples[-1]
        if now - latest >= 1:
            self._samples.append((now, number))
        return (number - number_then) / (now - then) if now > then and number > number_then else None


def describe_questions(counts: Mapping[str, int]) -> str:
    """Such as `kept 812, duplicate 3`; empty where no questions were made."""
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (item[0] != "kept", item[0])))


def progress_line(progress: Preparation) -> str:
    """Progress as one line for the log or a terminal."""
    if not progress.shards:
        if progress.prepared is None:
            return "counting shards"
        return f"prepared before: {progress.documents} documents, {progress.tokens} tokens"
    # Records that name files are few bytes.
    rate = f", {progress.bytes_per_second / 1e6:.1f} MB/s" if progress.bytes_per_second and not progress.frames_per_second else ""
    frames = f", {progress.frames_per_second:.1f} frames/s a worker" if progress.frames_per_second else ""
    left = f", {progress.eta_seconds} s left" if progress.eta_seconds and progress.prepared is None else ""
    skipped = f", {progress.skipped} records skipped" if progress.skipped else ""
    shards = f"{progress.shards_done} of {progress.shards} shards"
    questions = f", questions: {described}" if (described := describe_questions(progress.questions)) else ""
    return f"{shards}, {progress.documents} documents, {progress.tokens} tokens{rate}{frames}{left}{skipped}{questions}"
