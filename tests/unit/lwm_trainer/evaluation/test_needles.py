"""Where needles stand, what is asked, and what counts as right."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.evaluation.needles import HaystackError, Tokens, build_haystack, draw_needles, is_right, question_text, sentences

RESERVED = 10


def tokenize(text: str) -> Tokens:
    """A token for each letter."""
    return np.frombuffer(text.encode("utf-32-le"), np.int32)


def text_of(tokens: Tokens) -> str:
    return tokens.astype(np.int32).tobytes().decode("utf-32-le")


def prose() -> Iterator[str]:
    return sentences(["It rained. Who came?  Nobody came! " * 400])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6, unique=True), st.integers(900, 4000), st.integers(0, 99))
def test_needles_stand_between_sentences_in_their_order_near_their_depths(depths: list[float], length: int, seed: int) -> None:
    needles = draw_needles(sorted(depths), seed)
    haystack = build_haystack(prose(), needles, length, RESERVED, "clean", tokenize)
    assert length - RESERVED - len(" Nobody came!") < len(haystack.tokens) <= length - RESERVED
    text = text_of(haystack.tokens)
    pieces = re.split(r"\nThe special magic \w+ number is: \d{7}\n", text.removeprefix("You are a helpful assistant. USER: "))
    assert len(pieces) == len(needles) + 1
    assert all(piece == "" or piece[-1] in ".?!" for piece in pieces)
    total = sum(map(len, pieces))
    before = 0
    for piece, needle, measured in zip(pieces[:-1], needles, haystack.measured_depths, strict=True):
        before += len(piece)
        assert needle.depth * total - len(" Nobody came!") <= before <= needle.depth * total
        assert text[round(measured * len(haystack.tokens)) :].startswith(f"\nThe special magic {needle.city} number is: {needle.number}\n")


def test_the_last_needle_of_lwm_is_not_cut_off() -> None:
    (needle,) = draw_needles([1.0], 0)
    haystack = build_haystack(prose(), [needle], 1000, RESERVED, "lwm", tokenize)
    assert text_of(haystack.tokens).endswith(f"number is: {needle.number}\n")


def test_the_same_seed_draws_the_same_needles_and_no_city_twice() -> None:
    needles = draw_needles([0.0] * 100, 7)
    assert needles == draw_needles([0.0] * 100, 7) != draw_needles([0.0] * 100, 8)
    assert len({needle.city for needle in needles}) == 100
    with pytest.raises(HaystackError, match="each needle"):
        draw_needles([0.0] * 1000, 7)


def test_too_little_text_or_room_is_said_with_both_numbers() -> None:
    with pytest.raises(HaystackError, match=r"has 10 tokens left, but 9\d\d are needed"):
        build_haystack(sentences(["It rains."]), (), 1000, RESERVED, "clean", tokenize)
    with pytest.raises(HaystackError, match="room for 0 of the haystack"):
        build_haystack(prose(), (), 40, RESERVED, "clean", tokenize)


def test_the_question_is_that_of_lwm_and_only_the_whole_number_is_right() -> None:
    (needle,) = draw_needles([0.5], 3)
    assert question_text("lwm", needle) == (
        f" What is the special magic {needle.city} number? Don't give information outside the document or repeat your findings. "
        "Keep your response short and direct. ASSISTANT: "
    )
    assert is_right(f"It is {needle.number}.", needle)
    assert not is_right(f"It is {needle.number}1.", needle)
    assert not is_right(needle.number[:-1], needle)
