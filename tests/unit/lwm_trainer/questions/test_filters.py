"""Which pairs are dropped, and why."""

import pytest

from lwm_trainer.questions.filters import drop_reason, is_grounded, overlap
from lwm_trainer.questions.pair import Pair
from support.byte_tokenizer import byte_tokenizer

CHUNK = "The ship sailed in 1843 under Captain Harding. It carried timber and salt to the northern harbours. Nobody knew the cargo."


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("Who commanded the ship?", "Captain Harding", None),
        ("In which year did it sail?", "1843", None),
        ("Who commanded the ship", "Captain Harding", "malformed"),
        ("Who commanded the ship?", " .", "malformed"),
        ("Who does the passage name?", "Captain Harding", "malformed"),
        ("Who commanded the ship?", "Captain Harding " * 10, "malformed"),
        ("Who" + " really" * 20 + "?", "Harding", "malformed"),
        ("In which year did it sail?", "1844", "ungrounded"),
        ("Who commanded the ship?", "Admiral Nelson", "ungrounded"),
    ],
)
def test_a_pair_is_dropped_for_the_first_filter_that_it_does_not_pass(question: str, answer: str, reason: str | None) -> None:
    pair = Pair(question, answer)
    assert drop_reason(pair, CHUNK, byte_tokenizer()) == reason


def test_a_question_that_repeats_its_evidence_is_dropped() -> None:
    pair, evidence = (
        Pair("In which year did the ship sail under Captain Harding from Leith to Bergen?", "1843"),
        "Captain Harding sailed to {} in 1843.",
    )
    assert overlap(pair, evidence.format("Oslo")) == 2 / 5
    repeated = Pair("Which Captain Harding sailed to Oslo in 1843?", "1843")
    assert overlap(repeated, evidence.format("Oslo")) == 1
    assert drop_reason(repeated, evidence.format("Oslo"), byte_tokenizer()) == "overlapping"


def test_all_numbers_of_an_answer_and_half_of_its_words_stand_in_the_chunk() -> None:
    assert is_grounded("timber and gold", CHUNK)
    assert not is_grounded("silver and gold", CHUNK)
    assert not is_grounded("timber, 7", CHUNK)
