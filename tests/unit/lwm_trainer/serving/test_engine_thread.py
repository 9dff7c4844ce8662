"""The queue before the model: who is answered together, who is turned away, and who is forgotten."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from lwm_trainer.sampling.generator import Piece, Usage
from lwm_trainer.sampling.prompt import text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Settings
from lwm_trainer.serving.engine_thread import EngineThread
from lwm_trainer.serving.errors import ApiError
from lwm_trainer.serving.job import Job, Prefill, Step


class Generator:
    """Gives each answer its seed as its only token, once `may_go_on` is set; notes the seeds of each batch."""

    cache_use = 0.0

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.may_go_on = threading.Semaphore(0), threading.Event()
        self.usage: list[Usage] = []

    def generate(self, requests: Sequence[Request], top: int, progress: Callable[[int, int], None]) -> Iterator[list[Piece]]:
        self.batches.append([request.settings.seed for request in requests])
        self.usage = [Usage(3, 1)] * len(requests)
        self.begun.release()
        assert self.may_go_on.wait(10)
        progress(1, 2)
        seeds = enumerate(self.batches[-1])
        yield [Piece(number, seed, False, str(seed), -1.0, [], "stop", False) for number, seed in seeds]

    def forget(self) -> None:
        pass


@pytest.fixture
def generator() -> Iterator[Generator]:
    made = Generator()
    yield made
    made.may_go_on.set()


def make_engine(generator: Any, queue_length: int = 4, rows: int = 2) -> EngineThread:
    engine = EngineThread(generator, queue_length=queue_length, rows=rows)
    engine.start()
    return engine


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


async def wait_for_batch(generator: Generator) -> None:
    assert await asyncio.to_thread(generator.begun.acquire, timeout=10)


async def test_jobs_that_wait_are_answered_together_as_far_as_there_are_rows(generator: Generator) -> None:
    engine = make_engine(generator)
    first = submit(engine, 1)
    await wait_for_batch(generator)
    others = [submit(engine, seed) for seed in (2, 3, 4)]
    generator.may_go_on.set()
    assert [await tokens(job) for job in (first, *others)] == [[(0, 1)], [(0, 2)], [(0, 3)], [(0, 4)]]
    assert generator.batches == [[1], [2, 3], [4]]


async def test_a_job_with_more_answers_than_rows_takes_several_batches_and_guided_ones_take_two_rows(generator: Generator) -> None:
    engine = make_engine(generator)
    generator.may_go_on.set()
    assert await tokens(submit(engine, 1, 2, 3)) == [(0, 1), (1, 2), (2, 3)]
    assert await tokens(submit(engine, 4, 5, guidance=3.0)) == [(0, 4), (1, 5)]
    assert generator.batches == [[1, 2], [3], [4], [5]]


async def test_a_full_queue_refuses_and_cancelled_jobs_make_room_and_are_never_computed(generator: Generator) -> None:
    engine = make_engine(generator, queue_length=2)
    first = submit(engine, 1)
    await wait_for_batch(generator)
    waiting = [submit(engine, seed) for seed in (2, 3)]
    with pytest.raises(ApiError, match="2 requests wait already") as caught:
        submit(engine, 4)
    assert (caught.value.status, int(caught.value.headers["Retry-After"]) >= 1) == (429, True)
    waiting[0].cancel()
    last = submit(engine, 5)
    generator.may_go_on.set()
    assert await tokens(first) == [(0, 1)]
    assert await tokens(last) == [(0, 5)]
    assert generator.batches == [[1], [3, 5]]


async def test_requests_that_are_being_read_are_limited_too(generator: Generator) -> None:
    engine = make_engine(generator, queue_length=1)
    with engine.preparing(), pytest.raises(ApiError, match="wait already"), engine.preparing():
        pass
    with engine.preparing():
        pass


async def test_a_batch_that_nobody_waits_for_ends_during_its_prefill(generator: Generator) -> None:
    engine = make_engine(generator)
    job = submit(engine, 1)
    await wait_for_batch(generator)
    job.cancel()
    generator.may_go_on.set()
    assert [event async for event in job.events(5)] == []
    assert await tokens(submit(engine, 2)) == [(0, 2)]


async def test_a_stopped_engine_ends_what_waits_and_takes_nothing_more(generator: Generator) -> None:
    engine = make_engine(generator)
    first = submit(engine, 1)
    await wait_for_batch(generator)
    second = submit(engine, 2)
    engine.stop()
    assert not engine.healthy
    with pytest.raises(ApiError, match="is stopping"):
        submit(engine, 3)
    engine.cancel_all()
    for job in (first, second):
        with pytest.raises(ApiError, match="is stopping"):
            await tokens(job)
    generator.may_go_on.set()
    assert engine.join(10)
    assert generator.batches == [[1]]
