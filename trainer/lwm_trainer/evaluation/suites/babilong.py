"""`babilong`: short facts about people and items, in their order within a long text, and a question with an answer of one word.

The tasks are the first three of bAbI (Weston et al. 2015, arXiv 1502.05698), as BABILong (Kuratov et al. 2024, arXiv 2406.10149) hides
them in books: `qa1` needs one fact, `qa2` two, `qa3` three. Score, as published: the place is named, and no other one that the question
does not name itself.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from lwm_trainer.evaluation.haystack import HaystackRounds, Texts, place_facts
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Way, prompt_room, sample_keys, seeded

PEOPLE = ("Mary", "John", "Daniel", "Sandra")
PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
ITEMS = ("apple", "football", "milk")
TASKS = ("qa1", "qa2", "qa3")
HEAD = "You are a helpful assistant. USER: Facts about people and items are hidden in the following text.\n\n"
TAIL = "\n\n{question} Answer with the name of the place only. ASSISTANT:"
FACTS = {"qa1": 6, "qa2": 12, "qa3": 20}
"""Facts of a story."""


class Story(NamedTuple):
    """Facts in their order, and a question about them."""

    facts: tuple[str, ...]
    question: str
    answer: str
    supporting: tuple[int, ...]
    """Numbers of the facts that the answer follows from."""


@dataclass(frozen=True, kw_only=True)
class BabilongSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    tasks: tuple[str, ...] = TASKS
    samples: int = 10
    """Stories of each length and task, each in a text of its own."""
    haystack: str = ""
    haystack_field: str = "text"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError for a task that there is not."""
        if wrong := set(self.tasks) - set(TASKS):
            raise SuiteError(f"--tasks: {', '.join(sorted(wrong))}: give some of {', '.join(TASKS)}")


class BabilongSuite:
    """Asks where somebody or something is or was. The guess is a random place, of those that the question leaves."""

    name = "babilong"
    version = 1
    ways: tuple[Way, ...] = ("generated", "forced", "likeliest")
    answer_tokens = 16
    stop = ("\n",)

    def __init__(self, settings: BabilongSettings, texts: Texts, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._rounds = HaystackRounds(texts, tokenize)

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        """Stories of one number share a text, so that it is read once."""
        keys = sample_keys(self._settings.lengths, self._settings.tasks, self._settings.samples)
        return sorted(keys, key=lambda key: (self._settings.lengths.index(key.length), key.number))

    def question(self, key: Key) -> Question:
        story, draw = self._story(key), seeded(self.name, self._settings.seed, *key, "depths")
        taken = self._rounds.take(key.length, key.number, lambda number: self._room(key.length, number))
        depths = sorted(draw.random() for _ in story.facts)
        placed = place_facts(self._tokenize(HEAD), taken, [self._tokenize(f" {fact}") for fact in story.facts], depths)
        left = set(PLACES) - places_in(story.question)
        return Question(
            prompt=np.concatenate([placed.tokens, self._tokenize(TAIL.format(question=story.question))]),
            expected=(story.answer, story.question),
            chance=1 / len(left),
            reference=f" {story.answer}",
            choices=tuple(f" {place}" for place in PLACES if place in left),
            details={"measured_depths": [placed.depths[number] for number in story.supporting]},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the first sentence names the place, and none of the others beside those of the question."""
        place, question = expected
        return float(places_in(re.split(r"[.\n]", answer.strip())[0]) - places_in(question) == {place})

    def _story(self, key: Key) -> Story:
        return draw_story(seeded(self.name, self._settings.seed, *key), key.variant)

    def _room(self, length: int, number: int) -> int:
        """Tokens of a round's text beside the longest of its stories."""
        stories = [self._story(Key(length, task, None, number)) for task in self._settings.tasks]
        texts = [[HEAD, TAIL.format(question=story.question), *(f" {fact}" for fact in story.facts)] for story in stories]
        return prompt_room(length, self.answer_tokens) - max(sum(len(self._tokenize(text)) for text in parts) for parts in texts)


def places_in(text: str) -> set[str]:
    """The places that a text names."""
    return {place for place in PLACES if re.search(rf"\b{place}\b", text.lower())}


def draw_story(draw: random.Random, task: str) -> Story:
    """A story of a task; people walk, and in `qa2` and `qa3` take and leave items."""
    while True:
        world = _World(draw)
        for _ in range(FACTS[task]):
            world.go_on(items=task != "qa1")
        if (story := world.ask(task)) is not None:
            return story


class _World:
    """Where everybody and everything is, and by which facts."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._facts: list[str] = []
        self._place: dict[str, tuple[str, int]] = {}
        """A person's place, and the fact that says it."""
        self._holder: dict[str, tuple[str, int]] = {}
        """Who holds an item, and the fact that says it."""
        self._path: dict[str, list[tuple[str, tuple[int, ...]]]] = {item: [] for item in ITEMS}
        """The places of an item since somebody took it, each with the facts that say so."""

    def go_on(self, *, items: bool) -> None:
        person = self._draw.choice(PEOPLE)
        held = [item for item, (holder, _) in self._holder.items() if holder == person]
        free = [item for item in ITEMS if item not in self._holder and self._lies_at(item, person)]
        action = self._draw.random() if items and person in self._place else 0.0
        if action > 0.7 and free:
            self._take(person, self._draw.choice(free))
        elif action > 0.85 and held:
            item = self._draw.choice(held)
            del self._holder[item]
            self._facts.append(f"{person} left the {item} there.")
        else:
            self._walk(person, held)

    def _lies_at(self, item: str, person: str) -> bool:
        """Whether the person may take it: it lies where the person is, or nobody has said where."""
        path = self._path[item]
        return person in self._place and (not path or path[-1][0] == self._place[person][0])

    def _take(self, person: str, item: str) -> None:
        number = len(self._facts)
        self._facts.append(f"{person} took the {item} there.")
        self._holder[item] = person, number
        place, walked = self._place[person]
        if not self._path[item] or self._path[item][-1][0] != place:
            self._path[item].append((place, (number, walked)))

    def _walk(self, person: str, held: Sequence[str]) -> None:
        place = self._draw.choice([place for place in PLACES if place != self._place.get(person, ("", 0))[0]])
        number = len(self._facts)
        self._facts.append(f"{person} {self._draw.choice(('went', 'moved', 'journeyed', 'travelled'))} to the {place}.")
        self._place[person] = place, number
        for item in held:
            self._path[item].append((place, (self._holder[item][1], number)))

    def ask(self, task: str) -> Story | None:
        """A question that the facts answer; None where there is none of this task."""
        if task == "qa1":
            person = self._draw.choice(sorted(self._place))
            place, number = self._place[person]
            return Story(tuple(self._facts), f"Where is {person}?", place, (number,))
        most = 1 if task == "qa2" else 2
        known = [item for item in ITEMS if len(self._path[item]) >= most]
        if not known:
            return None
        item = self._draw.choice(known)
        path = self._path[item]
        if task == "qa2":
            return Story(tuple(self._facts), f"Where is the {item}?", path[-1][0], tuple(sorted(path[-1][1])))
        (before, first), (after, second) = path[-2:]
        if [place for place, _ in path].count(after) > 1:  # then "before" has two answers
            return None
        return Story(tuple(self._facts), f"Where was the {item} before the {after}?", before, tuple(sorted({*first, *second})))
