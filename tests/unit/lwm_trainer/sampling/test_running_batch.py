"""Requests that join and leave a running batch are answered as alone, whatever is answered beside them."""

from collections.abc import Sequence
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.piece import Piece
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Settings
from support.served_model import tiny_generator

CHUNK = 64


@cache
def generator() -> Generator:
    return tiny_generator(rows=3)


def ask(text: str, **wanted: object) -> Request:
    return Request(generator().vocabulary.prompt(text), Settings(**{"max_tokens": 10, "may_show": False, **wanted}))  # type: ignore[arg-type]


REQUESTS = [
    ask("a" * 100, seed=1),
    ask("b", seed=2, max_tokens=25),
    ask("a" * 90 + "c" * 100, seed=3),
    ask("d" * 40, seed=4, max_tokens=1),
    ask("e", seed=5, guidance=3.0, min_frames=1, max_frames=1, may_show=True, only_vision=True, max_tokens=17),
    ask("a" * 100 + "f", seed=6, stop=("e", "t", "a")),
]


def shown(pieces: Sequence[Piece]) -> list[tuple[int, bool, str, str | None]]:
    return [(piece.token, piece.vision, piece.text, piece.reason) for piece in pieces]


@cache
def alone(number: int) -> list[tuple[int, bool, str, str | None]]:
    generator().forget()
    return shown([piece for pieces in generator().generate([REQUESTS[number]]) for piece in pieces])


def rows(request: Request) -> int:
    return 1 if request.settings.guidance == 1 else 2


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    order=st.permutations(range(len(REQUESTS))),
    pauses=st.lists(st.integers(0, 6), min_size=len(REQUESTS), max_size=len(REQUESTS)),
    leaves=st.lists(st.none() | st.integers(0, 12), min_size=len(REQUESTS), max_size=len(REQUESTS)),
)
def test_an_answer_is_as_alone_whoever_joins_and_leaves_beside_it(order: list[int], pauses: list[int], leaves: list[int | None]) -> None:
    expected = [alone(number) for number in range(len(REQUESTS))]
    batch = generator().batch()
    got: dict[int, list[Piece]] = {}
    numbers: dict[int, int] = {}
    waiting = list(order)
    step, next_join = 0, 0
    while waiting or not batch.idle:
        if waiting and step >= next_join and not batch.joining and rows(REQUESTS[waiting[0]]) <= batch.free:
            (joined,) = batch.join([REQUESTS[waiting[0]]])
            numbers[joined.number], got[joined.number] = waiting[0], []
            next_join = step + pauses[waiting.pop(0)]
        for piece in batch.advance().pieces:
            got[piece.request].append(piece)
        for number, request in numbers.items():
            left = leaves[request]
            if left is not None and len(got[number]) >= left and not (got[number] and got[number][-1].reason):
                batch.cancel(number)
        step += 1
    assert batch.free == 3
    for number, request in numbers.items():
        length = len(got[number])
        assert shown(got[number]) == expected[request][:length]
        left = leaves[request]
        assert length == (len(expected[request]) if left is None else min(left, len(expected[request])))


def test_answers_get_tokens_while_a_long_prompt_is_computed() -> None:
    generator().forget()
    batch = generator().batch()
    (talking,) = batch.join([ask("x", max_tokens=40)])
    for _ in range(3):
        batch.advance()
    (long,) = batch.join([ask("y" * 5 * CHUNK, max_tokens=2)])
    steps = [batch.advance() for _ in range(5)]
    assert [step.prefill for step in steps] == [(done, long.usage.prompt) for done in (64, 128, 192, 256, 320)]
    assert all([piece.request for piece in step.pieces] == [talking.number] for step in steps)
    for joined in (talking, long):
        batch.cancel(joined.number)


def test_a_prompt_that_was_cancelled_is_kept_as_far_as_it_was_computed() -> None:
    generator().forget()
    batch = generator().batch()
    request = ask("z" * 4 * CHUNK)
    (joined,) = batch.join([request])
    batch.advance()
    batch.advance()
    batch.cancel(joined.number)
    assert batch.idle
    (again,) = batch.join([request])
    assert again.usage.cached == 2 * CHUNK
    batch.cancel(again.number)


def test_a_second_group_waits_until_the_first_ones_prompts_are_computed() -> None:
    generator().forget()
    batch = generator().batch()
    (joined,) = batch.join([ask("q" * 100)])
    with pytest.raises(ValueError, match="wait until they are"):
        batch.join([ask("r")])
    batch.cancel(joined.number)
