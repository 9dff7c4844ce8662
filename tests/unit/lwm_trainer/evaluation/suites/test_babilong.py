"""Stories against a second reading of their facts, and the score."""

import random
import re
from collections.abc import Iterator

import pytest

from lwm_trainer.evaluation.suite import SuiteError
from lwm_trainer.evaluation.suites.babilong import BabilongSettings, BabilongSuite, draw_story
from support.letter_tokens import text_of, tokenize

FACT = re.compile(r"(\w+) (?:(?:went|moved|journeyed|travelled) to the (\w+)|(took|left) the (\w+) there)\.")


def texts() -> Iterator[str]:
    yield "".join(f"Sentence {number} says nothing. " for number in range(900))


def solve(facts: list[str], question: str) -> str:
    """The answer, by replaying the facts."""
    place: dict[str, str] = {}
    holder: dict[str, str] = {}
    path: dict[str, list[str]] = {}
    for person, to, action, item in FACT.findall(" ".join(facts)):
        if to:
            place[person] = to
        elif action == "took":
            holder[item] = person
        else:
            assert holder.pop(item) == person
        for held, by in holder.items():
            steps = path.setdefault(held, [])
            if by in place and (not steps or steps[-1] != place[by]):
                steps.append(place[by])
    if person := re.fullmatch(r"Where is ([A-Z]\w+)\?", question):
        return place[person[1]]
    if item := re.fullmatch(r"Where is the (\w+)\?", question):
        return path[item[1]][-1]
    before = re.fullmatch(r"Where was the (\w+) before the (\w+)\?", question)
    assert before is not None
    steps = path[before[1]]
    return steps[steps.index(before[2]) - 1]


@pytest.mark.parametrize(("task", "least", "most"), [("qa1", 1, 1), ("qa2", 2, 2), ("qa3", 3, 4)])
def test_the_answer_follows_from_as_many_facts_as_the_task_has(task: str, least: int, most: int) -> None:
    for seed in range(200):
        story = draw_story(random.Random(seed), task)
        assert solve(list(story.facts), story.question) == story.answer
        assert least <= len(story.supporting) <= most
        assert any(story.answer in story.facts[number] for number in story.supporting)


def test_facts_keep_their_order_in_the_text() -> None:
    made = BabilongSuite(BabilongSettings(lengths=(2500,), samples=2), texts, tokenize)
    for key in made.question_keys():
        question = made.question(key)
        text = text_of(question.prompt)
        place, asks = question.expected
        assert solve([match[0] for match in FACT.finditer(text)], asks) == place
        assert len(question.prompt) + made.answer_tokens <= 2500
        assert question.chance == 1 / len(question.choices)


def test_the_place_is_right_alone_and_places_of_the_question_do_not_count() -> None:
    made = BabilongSuite(BabilongSettings(lengths=(2000,)), texts, tokenize)
    expected = ("garden", "Where was the milk before the office?")
    assert made.score(expected, " the Garden, before the office. Not the kitchen.") == 1
    assert made.score(expected, " garden or kitchen") == 0
    assert made.score(expected, " gardens") == 0
    with pytest.raises(SuiteError, match="--tasks: qa4: give some of qa1, qa2, qa3"):
        BabilongSuite(BabilongSettings(lengths=(2000,), tasks=("qa4",)), texts, tokenize)
