import re
from collections.abc import Iterator

import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.multi_needle import MultiNeedleSettings, MultiNeedleSuite, question_text
from support.letter_tokens import text_of, tokenize


def texts() -> Iterator[str]:
    yield "".join(f"Sentence {number} says nothing. " for number in range(400))


def suite(placed: int, retrieved: int) -> MultiNeedleSuite:
    return MultiNeedleSuite(MultiNeedleSettings(lengths=(1200,), placed=placed, retrieved=retrieved, samples=2), texts, tokenize)


def test_the_questions_are_those_of_lwm() -> None:
    assert question_text(["Rome"]) == "What is the special magic number for Rome?"
    assert question_text(["Rome", "Oslo"]) == "What are the special magic numbers for Rome, and Oslo?"
    assert question_text(["Rome", "Oslo", "Lima"]) == "What are the special magic numbers for Rome, Oslo, and Lima?"


@pytest.mark.parametrize(("placed", "retrieved"), [(4, 2), (1, 1), (5, 5)])
def test_all_needles_are_in_the_text_and_some_of_them_are_asked_for(placed: int, retrieved: int) -> None:
    made = suite(placed, retrieved)
    for key in made.question_keys():
        question = made.question(key)
        text = text_of(question.prompt)
        facts = dict(re.findall(r"\nThe special magic (\w+) number is: (\d{7})\n", text))
        assert len(facts) == placed
        assert len(question.expected) == retrieved
        names = text.rpartition("special magic number")[2]
        assert [facts[city] for city in re.findall(r"[A-Z][a-z]+", names.partition("?")[0])] == list(question.expected)
        assert len(question.prompt) + made.answer_tokens <= 1200


def test_the_score_is_the_share_of_the_numbers() -> None:
    made = suite(4, 2)
    assert made.score(("1234567", "7654321"), "7654321 and 9") == 0.5
    assert made.score(("1234567", "7654321"), "7654321, 1234567") == 1


def test_more_than_are_placed_cannot_be_asked_for() -> None:
    with pytest.raises(SuiteError, match="--retrieved is 3: give 1 to 2"):
        suite(2, 3)
