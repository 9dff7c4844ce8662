import re
from difflib import SequenceMatcher

import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.mrcr import ORDINALS, MrcrSettings, MrcrSuite
from support.letter_tokens import text_of, tokenize


def test_the_request_comes_as_often_as_said_and_the_answer_is_that_of_the_ordinal() -> None:
    made = MrcrSuite(MrcrSettings(lengths=(6000,), samples=3), tokenize)
    for key in made.question_keys():
        question = made.question(key)
        text = text_of(question.prompt)
        _, *turns = text.split(" USER: ")
        pairs = [turn.split(" ASSISTANT: ", 1) for turn in turns[:-1]]
        wanted = re.search(
            r"Repeat the (\w+) ([\w ]+) about the (\w+) in a (\w+) way, letter by letter, and write (\w{10}) before it", turns[-1]
        )
        assert wanted is not None
        ordinal, form, topic, style, prefix = wanted.groups()
        needles = [answer for request, answer in pairs if request == f"Write a {form} about the {topic} in a {style} way."]
        assert len(needles) == len(set(needles)) == int(key.variant.split()[0])
        assert question.expected == (prefix, needles[ORDINALS.index(ordinal)])
        assert question.choices == tuple(f" {prefix} {needle}" for needle in needles)
        assert len({answer for _, answer in pairs}) == len(pairs)
        assert 6000 - 800 < len(question.prompt) + made.answer_tokens <= 6000
        assert 1 / len(needles) < question.chance < 1
        assert made.score(question.expected, question.reference or "") == 1


def test_without_the_string_before_it_nothing_counts_else_the_ratio() -> None:
    made = MrcrSuite(MrcrSettings(lengths=(6000,)), tokenize)
    assert made.score(("abc", "It rains."), "It rains.") == 0
    assert made.score(("abc", "It rains."), "abc It snows.") == SequenceMatcher(None, "It snows.", "It rains.").ratio()
    with pytest.raises(SuiteError, match="--needles: 9: give 2 to 8"):
        MrcrSuite(MrcrSettings(lengths=(6000,), needles=(2, 9)), tokenize)
