"""Sentences of records, rounds of text, and facts between sentences."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm_trainer.evaluation.haystack import HaystackRounds, open_texts, place_facts, sentences
from lwm_trainer.evaluation.suite import SuiteError
from support.letter_tokens import text_of, tokenize


def test_texts_come_from_all_files_that_data_sets_are_read_from(tmp_path: Path) -> None:
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfIt rained."))
    (tmp_path / "b.jsonl").write_text('{"body": "Who came?", "id": "1"}\n')
    assert list(open_texts(str(tmp_path), "body")()) == ["It rained.", "Who came?"]
    with pytest.raises(SuiteError, match=r"b\.jsonl:1: has no text in the field 'text': name one of body, id by --haystack-field"):
        list(open_texts(str(tmp_path), "text")())
    (tmp_path / "b.jsonl").write_text("{'")
    with pytest.raises(SuiteError, match=r"--haystack .*b\.jsonl:1: not JSON"):
        list(open_texts(str(tmp_path), "body")())


def test_sentences_keep_their_letters_and_long_ones_are_divided_between_words() -> None:
    assert list(sentences(["It  rained.\nWho came? \n", " Nobody!"])) == [" It  rained.", " Who came?", " Nobody!"]
    parts = list(sentences(["word " * 300]))
    assert all(len(part) <= 401 for part in parts)
    assert "".join(parts).split() == ["word"] * 300


class Texts:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self) -> Iterator[str]:
        self.reads += 1
        yield " ".join(f"Sentence {number} says nothing." for number in range(100))


def test_rounds_have_other_text_are_read_once_and_are_the_same_when_taken_up_later() -> None:
    texts = Texts()
    rounds = HaystackRounds(texts, tokenize)
    taken = [text_of(np.concatenate(rounds.take(1000, number, lambda number: 200 + number))) for number in range(3)]
    assert rounds.take(1000, 2, lambda number: 0) is rounds.take(1000, 2, lambda number: 0)
    assert texts.reads == 1
    numbers = [set(text.split()) & {str(number) for number in range(100)} for text in taken]
    assert not numbers[0] & numbers[1]
    assert not numbers[1] & numbers[2]
    later = HaystackRounds(texts, tokenize)
    assert text_of(np.concatenate(later.take(1000, 2, lambda number: 200 + number))) == taken[2]


def test_too_little_text_or_room_is_said_with_both_numbers() -> None:
    with pytest.raises(SuiteError, match=r"--haystack: has \d+ tokens left, but 9999 are needed"):
        HaystackRounds(Texts(), tokenize).take(1, 0, lambda _: 9999)
    with pytest.raises(SuiteError, match="a length of 50 tokens has room for 0 of the haystack"):
        HaystackRounds(Texts(), tokenize).take(50, 0, lambda _: -3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.integers(1, 9))
def test_facts_stand_between_sentences_in_their_order_near_their_depths(depths: list[float], count: int) -> None:
    depths = sorted(depths)
    facts = [f"<{number}>" for number in range(len(depths))]
    placed = place_facts(tokenize("HEAD"), [tokenize(" rain.")] * count, [tokenize(fact) for fact in facts], depths)
    text = text_of(placed.tokens)
    assert text.replace("<", "\n").count(" rain.") == count
    assert text.startswith("HEAD")
    assert [text.index(fact) for fact in facts] == sorted(round(depth * len(text)) for depth in placed.depths)
    for fact, depth in zip(facts, depths, strict=True):
        before = text[: text.index(fact)].count(" rain.")
        assert 6 * depth * count - 6 <= 6 * before <= 6 * depth * count + 1e-9
