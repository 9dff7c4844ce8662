"""A queue of keys with client-go's semantics: adds coalesce, one worker a key at a time, failures back off.

A key that is added while it is worked on comes again when that work is done. Times are seconds of the injected clock.
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
    def __init__(self, clock: Callable[[], float], chance: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._chance = chance
        self._ready: dict[Key, float] = {}
        """In order of arrival, with the time of it."""
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
        self._due.pop(key, None)
        if key in self._working:
            self._dirty.add(key)
        else:
            self._ready.setdefault(key, self._clock())
        self._wake.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Of several delays the earliest counts; a key that waits to be worked on needs no delay."""
        due = self._clock() + seconds
        if key in self._ready or key in self._dirty or due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._wake.set()

    def retry(self, key: Key) -> float:
        """Again after a failure: 0.5 s doubling to 5 minutes, with full jitter. Returns the seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 20), MAX_RETRY_SECONDS) * (0.5 + 0.5 * self._chance())
        self.add_after(key, seconds)
        return seconds

    def forget(self, key: Key) -> None:
        """The key's failures no longer count."""
        self._failures.pop(key, None)

    def poll(self) -> Key | None:
        """The next key to work on, or None. The caller says `done` afterwards."""
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
        """The next key to work on, when there is one."""
        while True:
            if (key := self.poll()) is not None:
                return key
            self._wake.clear()
            # No wait_for: it would make a task of its own, which kopf cancels as a stranger when it stops.
            alarm = asyncio.get_running_loop().call_later(self._heap[0][0] - self._clock(), self._wake.set) if self._heap else None
            await self._wake.wait()
            if alarm is not None:
                alarm.cancel()

    def done(self, key: Key) -> None:
        self._working.pop(key, None)
        if key in self._dirty:
            self._dirty.discard(key)
            self.add(key)

    def oldest_seconds(self) -> float:
        """How long the oldest key has waited or been worked on."""
        now = self._clock()
        return now - min((*self._ready.values(), *self._working.values()), default=now)
