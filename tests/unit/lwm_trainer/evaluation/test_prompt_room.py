"""The longest prompt that fits, whatever an item's tokens are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import SuiteError
from support.letter_tokens import tokenize


@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), st.integers(60, 3000), st.integers(0, 2), st.none() | st.integers(3, 50))
def test_one_more_item_would_not_fit(sizes: list[int], room: int, least: int, most: int | None) -> None:
    def text_of(count: int) -> str:
        return "".join("x" * sizes[number % len(sizes)] for number in range(count))

    tokens, count = fill_prompt(text_of, room, least, tokenize, "items", most)
    assert len(tokens) == len(text_of(count)) <= room
    assert count >= least
    assert count == most or len(text_of(count + 1)) > room


def test_a_prompt_is_tokenized_a_few_times() -> None:
    counts: list[int] = []

    def text_of(count: int) -> str:
        counts.append(count)
        return "x" * 7 * count

    assert fill_prompt(text_of, 70_001, 1, tokenize, "items")[1] == 10_000
    assert len(counts) < 8


def test_no_room_for_what_is_needed_is_an_error_with_both_numbers() -> None:
    with pytest.raises(SuiteError, match="a prompt with 3 pairs has 30 tokens, but 29 are left"):
        fill_prompt(lambda count: "x" * 10 * count, 29, 3, tokenize, "pairs")
