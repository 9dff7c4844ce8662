"""What is asked about which text, and what counts as right."""

import re
from collections.abc import Iterator

import pytest

from lwm_trainer.evaluation.suite import Key, Question, SuiteError
from lwm_trainer.evaluation.suites.needle import NeedleSettings, NeedleSuite
from lwm_trainer.evaluation.suites.needle_facts import LANDMARKS
from support.letter_tokens import text_of, tokenize

FACT = r"\nThe special magic (\w+) number is: (\d{7})\n"


def texts() -> Iterator[str]:
    yield "".join(f"Sentence {number} says nothing. " for number in range(400))


def suite(**changes: object) -> NeedleSuite:
    settings = {"lengths": (800, 1600), "depths": (0.0, 0.5, 1.0), "rounds": 2, **changes}
    return NeedleSuite(NeedleSettings(**settings), texts, tokenize)  # type: ignore[arg-type]


def questions(made: NeedleSuite) -> list[tuple[Key, Question, str]]:
    asked_for = [(key, made.question(key)) for key in made.question_keys()]
    return [(key, question, text_of(question.prompt)) for key, question in asked_for]


def test_a_question_asks_for_the_needle_at_its_depth() -> None:
    for key, question, text in questions(suite()):
        facts = dict(re.findall(FACT, text))
        (city,) = re.findall(r"What is the special magic (\w+) number\? Answer", text)
        assert len(facts) == 3
        assert question.expected == (facts[city],)
        place = text.index(f"\nThe special magic {city} number")
        assert question.details["measured_depth"] == pytest.approx(place / text.index(" What is"), abs=1e-9)
        assert abs(question.details["measured_depth"] - (key.depth or 0)) < 0.25
        assert key.length - 32 - len(" Sentence 100 says nothing.") - 20 < len(text) <= key.length - 32


def test_questions_of_a_haystack_share_its_text_and_rounds_have_others() -> None:
    haystacks = [text.partition(" What is the special")[0] for _, _, text in questions(suite())]
    assert haystacks[0] == haystacks[1] == haystacks[2]
    assert len(set(haystacks)) == 4
    first, second = (set(re.findall(r"Sentence \d+", haystacks[number])) for number in (0, 3))
    assert not first & second


def test_single_needles_stand_alone_in_the_same_text() -> None:
    single = [text for _, _, text in questions(suite(single=True, rounds=1))]
    assert [text.count("number is:") for text in single] == [1] * 6
    assert len({re.sub(FACT, "", text).partition(" What is")[0] for text in single[:3]}) == 1


def test_the_prompt_of_lwm_is_its_own_letter_by_letter() -> None:
    _, question, text = questions(suite(preset="lwm"))[0]
    (city,) = re.findall(r"What is the special magic (\w+) number\?", text)
    assert text.startswith("You are a helpful assistant. USER: ")
    assert text.endswith(
        f" What is the special magic {city} number? Don't give information outside the document or repeat your findings. "
        "Keep your response short and direct. ASSISTANT: "
    )
    assert question.reference == question.expected[0]


def test_a_landmark_shares_no_word_with_its_question() -> None:
    for _, question, text in questions(suite(form="landmarks", rounds=1)):
        facts = re.findall(r"\n(\w+) lives right next to the ([^.]+)\.\n", text)
        (city,) = re.findall(r"Which person must have been in ([\w ]+)\? Answer with the name only", text)
        assert len(facts) == 3
        assert question.expected == tuple(name for name, landmark in facts if LANDMARKS[landmark] == city)
        assert question.chance == 1 / 3
    made = suite(form="landmarks")
    assert made.score(("Ada",), "It is ada.") == 1
    assert made.score(("Ada",), "Adana") == 0
    with pytest.raises(SuiteError, match="--preset lwm: its needles are numbers, but --form is landmarks"):
        suite(form="landmarks", preset="lwm")


def test_only_the_whole_number_is_right() -> None:
    made = suite()
    assert made.score(("1234567",), "It is 1234567.") == 1
    assert made.score(("1234567",), "It is 12345671.") == 0
    assert made.score(("1234567",), "123456") == 0
