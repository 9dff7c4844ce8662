"""A request on its way through the engine: made by the event loop, answered by the engine's thread."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from lwm_trainer.sampling.piece import Piece, Usage
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.serving.errors import ApiError


class Prefill(NamedTuple):
    """How far the prompts are that are being computed, in tokens."""

    done: int
    total: int


class Step(NamedTuple):
    """The next tokens of some answers, those of an answer in their order; `request` of a piece is the number of the answer in the job."""

    pieces: list[Piece]
    usage: Usage


class Ended(NamedTuple):
    """Nothing follows; `error` says why, where the answers are not whole."""

    error: ApiError | None


Event = Prefill | Step | Ended


class Job:
    """Some answers to one prompt. Only the event loop that made it may read its events."""

    def __init__(self, requests: Sequence[Request], top: int) -> None:
        """`top`: how many of the most probable tokens come with each token."""
        self.requests, self.top = requests, top
        self.begun = time.monotonic()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answers any more."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Let the engine stop between two steps."""
        self._cancelled.set()

    def send(self, event: Event) -> None:
        """Called by the engine's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    async def events(self, patience: float) -> AsyncIterator[Event | None]:
        """All events up to the end; None after each `patience` seconds without one. Raises the ApiError with which the job ended."""
        while True:
            try:
                event = await asyncio.wait_for(self._events.get(), patience)
            except TimeoutError:
                yield None
                continue
            if isinstance(event, Ended):
                if event.error is not None:
                    raise event.error
                return
            yield event
