"""The built-in generator asks what follows words that stand in the chunk once."""

import pytest

from lwm_trainer.questions.extract import ExtractiveGenerator
from lwm_trainer.questions.filters import drop_reason
from quickstart.sample_texts import books
from support.byte_tokenizer import byte_tokenizer


def test_it_asks_for_a_name_or_number_and_quotes_what_stands_before() -> None:
    pair = ExtractiveGenerator().write("And so it was that all the days of Adam were many.")
    assert pair is not None
    assert (pair.question, pair.answer) == ("Which name follows the words “was that all the days of”?", "Adam")
    numbered = ExtractiveGenerator().write("the length of the wall\nand gate was 144 cubits.")
    assert numbered is not None
    assert (numbered.question, numbered.answer) == ("Which number follows the words “of the wall and gate was”?", "144")
    assert numbered.quote == "of the wall\nand gate was"


@pytest.mark.parametrize(
    "chunk",
    [
        "",
        "no name and no number is in these words",
        "Adam came.",
        "he said to all of them Adam. he said to all of them Adam.",
        "we saw Adam and then we saw Adam",
    ],
)
def test_it_writes_none_where_nothing_can_be_asked(chunk: str) -> None:
    assert ExtractiveGenerator().write(chunk) is None


def test_its_pairs_pass_the_filters_and_are_always_the_same() -> None:
    text = books()["08-ruth.txt"]
    chunks = [text[begin : begin + 3000] for begin in range(0, len(text), 3000)]
    pairs = [ExtractiveGenerator().write(chunk) for chunk in chunks]
    assert pairs == [ExtractiveGenerator().write(chunk) for chunk in chunks]
    written = [(pair, chunk) for pair, chunk in zip(pairs, chunks, strict=True) if pair is not None]
    assert len(written) == len(chunks) >= 4
    reasons = [drop_reason(pair, chunk, byte_tokenizer()) for pair, chunk in written]
    assert set(reasons) <= {None, "overlapping"}, "six words may be most of a short sentence"
    assert reasons.count(None) > len(reasons) / 2
