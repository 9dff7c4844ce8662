"""How far a preparation is: what worker 0 knows of all, as it is told to the operator and to people."""

import threading
import time
from collections import deque
from collections.abc import Callable

from lwm_trainer.config import Preparation, Prepared
from lwm_trainer.data.documents.store_schema import Counts

_RATE_SECONDS = 60.0
_FIRST_SKIPPED = 250
"""Letters: the report must stay small."""


class Report:
    """Threads may tell and ask at once."""

    def __init__(self, changed: Callable[[Preparation], None] = lambda _: None, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed, self._clock = changed, clock
        self._lock = threading.Lock()
        self._shards = self._size = 0
        self._done: dict[int, Counts] = {}
        self._current = Counts()
        self._read: deque[tuple[float, int]] = deque()
        self._prepared: Prepared | None = None

    def planned(self, shards: int, size: int, done: dict[int, Counts]) -> None:
        """There are so many shards of so many bytes together; some are `done` already, which tells nothing of how fast we are."""
        with self._lock:
            self._shards, self._size, self._done = shards, size, dict(done)
            self._read.append((self._clock(), self._total().size))
        self._changed(self.now())

    def current(self, counts: Counts) -> None:
        """So much is done of the shard that this worker is at."""
        with self._lock:
            self._current = counts
        self._changed(self.now())

    def done(self, counts: dict[int, Counts], current: Counts = Counts()) -> None:  # noqa: B008 - frozen
        """These shards are whole, whoever did them; so much is done of the one that this worker is at."""
        with self._lock:
            self._done |= counts
            self._current = current
        self._changed(self.now())

    def ended(self, prepared: Prepared, first_skipped: str = "") -> None:
        """All is done, now or long ago."""
        with self._lock:
            self._prepared = prepared
            self._current = Counts(first_skipped=first_skipped)
        self._changed(self.now())

    def now(self) -> Preparation:
        with self._lock:
            total = self._total()
            if (prepared := self._prepared) is not None:
                total = Counts(prepared.documents, prepared.tokens, self._size, prepared.skipped, total.first_skipped)
            rate = self._rate(total.size)
            return Preparation(
                shards=self._shards,
                shards_done=len(self._done),
                documents=total.documents,
                tokens=total.tokens,
                bytes_done=total.size,
                bytes_total=self._size,
                bytes_per_second=rate,
                eta_seconds=round((self._size - total.size) / rate) if rate else None,
                skipped=total.skipped,
                first_skipped=total.first_skipped[:_FIRST_SKIPPED],
                prepared=prepared,
            )

    def _total(self) -> Counts:
        return sum((self._done[number] for number in sorted(self._done)), Counts()) + self._current

    def _rate(self, size: int) -> float | None:
        now = self._clock()
        if not self._read:
            return None
        while len(self._read) > 1 and now - self._read[1][0] >= _RATE_SECONDS:
            self._read.popleft()
        (then, before), (latest, _) = self._read[0], self._read[-1]
        if now - latest >= 1:
            self._read.append((now, size))
        return (size - before) / (now - then) if now > then and size > before else None


def told(now: Preparation) -> str:
    """A line for people."""
    if not now.shards:
        return "counting shards" if now.prepared is None else f"prepared before: {now.documents} documents, {now.tokens} tokens"
    rate = f", {now.bytes_per_second / 1e6:.1f} MB/s" if now.bytes_per_second else ""
    left = f", {now.eta_seconds} s left" if now.eta_seconds and now.prepared is None else ""
    skipped = f", {now.skipped} records skipped" if now.skipped else ""
    return f"{now.shards_done} of {now.shards} shards, {now.documents} documents, {now.tokens} tokens{rate}{left}{skipped}"
