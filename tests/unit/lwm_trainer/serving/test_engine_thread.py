"""The queue before the model: who is answered together, who is turned away, and who is forgotten."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from lwm_trainer.sampling.piece import Piece, Usage
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.running_batch import Advance, Joined
from lwm_trainer.sampling.settings import Settings
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.job import Job, Prefill, Step


class Batch:
    """Gives each answer its seed as its only token, once `may_go_on` is set; notes the seeds that join together, and who is cancelled."""

    def __init__(self, rows: int) -> None:
        self.free = rows
        self.groups: list[list[int]] = []
        self.cancelled: list[int] = []
        self.begun, self.may_go_on = threading.Semaphore(0), threading.Event()
        self._answers: dict[int, Request] = {}
        self._numbers = 0
        self.joining = False

    @property
    def idle(self) -> bool:
        return not self._answers

    def join(self, requests: Sequence[Request], _top: int) -> list[Joined]:
        self.groups.append([request.settings.seed for request in requests])
        first, self._numbers = self._numbers, self._numbers + len(requests)
        self._answers |= dict(enumerate(requests, first))
        self.free -= sum(map(rows_of, requests))
        self.joining = True
        self.begun.release()
        return [Joined(number, Usage(3, 1)) for number in range(first, self._numbers)]

    def advance(self) -> Advance:
        assert self.may_go_on.wait(10)
        if self.joining:
            self.joining = False
            return Advance([], (1, 2))
        ended, self._answers = self._answers, {}
        self.free += sum(map(rows_of, ended.values()))
        seeds = {number: request.settings.seed for number, request in ended.items()}
        return Advance([Piece(number, seed, False, str(seed), -1.0, [], "stop", False) for number, seed in seeds.items()], None)

    def cancel(self, number: int) -> None:
        self.cancelled.append(number)
        self.free += rows_of(self._answers.pop(number))


class Generator:
    """Has one batch."""

    cache_use = 0.0

    def __init__(self) -> None:
        self.made: Batch | None = None

    def batch(self, rows: int) -> Batch:
        self.made = self.made or Batch(rows)
        return self.made

    def start_anew(self) -> None:
        pass


def rows_of(request: Request) -> int:
    return 1 if request.settings.guidance == 1 else 2


@pytest.fixture
def generator() -> Iterator[Generator]:
    made = Generator()
    yield made
    if made.made is not None:
        made.made.may_go_on.set()


def make_engine(generator: Any, queue_length: int = 4, rows: int = 2) -> tuple[EngineThread, Batch]:
    engine = EngineThread(generator, queue_length=queue_length, rows=rows)
    engine.start()
    return engine, generator.batch(rows)


def submit(engine: EngineThread, *seeds: int, guidance: float = 1.0) -> Job:
    requests = [Request(text_row([1, 2, 3]), Settings(max_tokens=1, seed=seed, guidance=guidance)) for seed in seeds]
    job = Job(requests, 0)
    engine.submit(job)
    return job


async def tokens(job: Job) -> list[tuple[int, int]]:
    """(number of the answer, token) of all that the job gets."""
    events = [event async for event in job.events(5)]
    assert isinstance(events[0], Prefill)
    return [(piece.request, piece.token) for event in events if isinstance(event, Step) for piece in event.pieces]


async def wait_for_join(batch: Batch) -> None:
    assert await asyncio.to_thread(batch.begun.acquire, timeout=10)


async def test_a_job_joins_what_is_being_answered_as_soon_as_there_is_a_row(generator: Generator) -> None:
    engine, batch = make_engine(generator)
    first = submit(engine, 1)
    await wait_for_join(batch)
    others = [submit(engine, seed) for seed in (2, 3, 4)]
    batch.may_go_on.set()
    assert [await tokens(job) for job in (first, *others)] == [[(0, 1)], [(0, 2)], [(0, 3)], [(0, 4)]]
    assert batch.groups == [[1], [2], [3, 4]]  # the second one joined the first, whose row was not free yet


async def test_a_job_with_more_answers_than_rows_waits_for_rows_and_guided_ones_take_two(generator: Generator) -> None:
    engine, batch = make_engine(generator)
    batch.may_go_on.set()
    assert await tokens(submit(engine, 1, 2, 3)) == [(0, 1), (1, 2), (2, 3)]
    assert await tokens(submit(engine, 4, 5, guidance=3.0)) == [(0, 4), (1, 5)]
    assert batch.groups == [[1, 2], [3], [4], [5]]


async def test_a_full_queue_refuses_and_cancelled_jobs_make_room_and_are_never_computed(generator: Generator) -> None:
    engine, batch = make_engine(generator, queue_length=2, rows=1)
    first = submit(engine, 1)
    await wait_for_join(batch)
    waiting = [submit(engine, seed) for seed in (2, 3)]
    with pytest.raises(ApiError, match="2 requests wait already") as caught:
        submit(engine, 4)
    assert (caught.value.status, int(caught.value.headers["Retry-After"]) >= 1) == (429, True)
    waiting[0].cancel()
    last = submit(engine, 5)
    batch.may_go_on.set()
    assert await tokens(first) == [(0, 1)]
    assert await tokens(last) == [(0, 5)]
    assert batch.groups == [[1], [3], [5]]


async def test_requests_that_are_being_read_are_limited_too(generator: Generator) -> None:
    engine, _ = make_engine(generator, queue_length=1)
    with engine.preparing(), pytest.raises(ApiError, match="wait already"), engine.preparing():
        pass
    with engine.preparing():
        pass


async def test_a_job_that_nobody_waits_for_leaves_and_the_others_go_on(generator: Generator) -> None:
    engine, batch = make_engine(generator)
    job, other = submit(engine, 1), submit(engine, 2)
    await wait_for_join(batch)
    job.cancel()
    batch.may_go_on.set()
    assert not [event async for event in job.events(5) if isinstance(event, Step)]
    assert await tokens(other) == [(0, 2)]
    assert batch.cancelled == [0]
    assert await tokens(submit(engine, 3)) == [(0, 3)]
    assert batch.free == 2


async def test_where_there_is_no_memory_for_a_cache_every_job_gets_an_error(
    generator: Generator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, batch = make_engine(generator)

    def fail(_rows: int) -> Any:
        raise MemoryError("secret")

    with monkeypatch.context() as patch:
        patch.setattr(generator, "batch", fail)
        for seed in (1, 2):
            with pytest.raises(ApiError, match="its log says where"):
                await tokens(submit(engine, seed))
    assert "MemoryError in fail" in (output := capsys.readouterr().err)
    assert "secret" not in output
    batch.may_go_on.set()
    assert await tokens(submit(engine, 3)) == [(0, 3)]


async def test_a_stopped_engine_ends_what_waits_and_takes_nothing_more(generator: Generator) -> None:
    engine, batch = make_engine(generator, rows=1)
    first = submit(engine, 1)
    await wait_for_join(batch)
    second = submit(engine, 2)
    engine.stop()
    assert not engine.healthy
    with pytest.raises(ApiError, match="is stopping"):
        submit(engine, 3)
    engine.cancel_all()
    for job in (first, second):
        with pytest.raises(ApiError, match="is stopping"):
            await tokens(job)
    batch.may_go_on.set()
    assert engine.join(10)
    assert batch.groups == [[1]]
