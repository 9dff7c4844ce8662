"""A queue of keys with client-go's semantics: adds coalesce, no key is given to two workers at once, and failures back off.

A key that is added while a worker has it comes again when the worker is done. Times are seconds of the injected clock.
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")

FIRST_RETRY_SECONDS = 0.5
MAX_RETRY_SECONDS = 300.0


class KeyedQueue(Generic[Key]):
    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._ready: dict[Key, float] = {}
        """Keys in order of arrival, with its time."""
        self._working: dict[Key, float] = {}
        self._dirty: set[Key] = set()
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._count = 0
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready)

    def add(self, key: Key) -> None:
        """Add the key now."""
        self._due.pop(key, None)
        if key in self._working:
            self._dirty.add(key)
        else:
            self._ready.setdefault(key, self._clock())
        self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key after a delay. The earliest of several delays counts, and none for a key that waits for a worker already."""
        due = self._clock() + seconds
        if key in self._ready or key in self._dirty or due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._wake.set()

    def retry(self, key: Key) -> float:
        """Add the key after its back-off: 0.5 s doubling to 5 minutes, of which jitter takes up to half. Return the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 20), MAX_RETRY_SECONDS) * (0.5 + 0.5 * self._jitter())
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """Forget the key's failures, as `Forget` of client-go."""
        self._failures.pop(key, None)

    def poll(self) -> Key | None:
        """Return the next key, or None when none is ready. The caller calls `done` afterwards."""
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                self.add(key)
        for key in self._ready:
            del self._ready[key]
            self._working[key] = now
            return key
        return None

    async def get(self) -> Key:
        """Wait for the next key and return it. The caller calls `done` afterwards."""
        while True:
            if (key := self.poll()) is not None:
                return key
            self._wake.clear()
            # Not asyncio.wait_for: it creates a task, which kopf would cancel as unknown when it stops.
            alarm = asyncio.get_running_loop().call_later(self._heap[0][0] - self._clock(), self._wake.set) if self._heap else None
            await self._wake.wait()
            if alarm is not None:
                alarm.cancel()

    def done(self, key: Key) -> None:
        """The worker has finished with the key."""
        self._working.pop(key, None)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def longest_work_seconds(self) -> float:
        """Return how long the key that has been with its worker for longest has been there."""
        now = self._clock()
        return now - min(self._working.values(), default=now)
