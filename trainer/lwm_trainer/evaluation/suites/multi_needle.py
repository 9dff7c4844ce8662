"""`multi-needle`: several numbers hidden in a long text, and one question for some of them.

The strings are those of LWM's evaluation (scripts/eval_needle_multi.py in its repository), of which three faults are left out: no city is
drawn twice, so no needle replaces another; needles are placed together, so none is cut off; and their depths are drawn, not taken from a
grid that must have as many depths as there are needles.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lwm_trainer.evaluation.haystack import HaystackRounds, Texts, place_facts
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Way, prompt_room, sample_keys, seeded
from lwm_trainer.evaluation.suites.needle import Preset
from lwm_trainer.evaluation.suites.needle_facts import NUMBER_CHANCE, Needle, draw_needles

TEMPLATES: dict[Preset, tuple[str, str]] = {
    "lwm": ("You are a helpful assistant. USER: ", " {question} Don't give information outside the document. ASSISTANT: "),
    "clean": ("You are a helpful assistant. USER: ", " {question} Answer with the numbers only. ASSISTANT:"),
}
TOKENS_OF_A_NUMBER = 24


@dataclass(frozen=True, kw_only=True)
class MultiNeedleSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    placed: int = 4
    """Needles in a haystack."""
    retrieved: int = 2
    """Needles that a question asks for."""
    samples: int = 10
    """Questions of each length, each with a text and needles of its own."""
    preset: Preset = "clean"
    haystack: str = ""
    haystack_field: str = "text"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError where more needles are asked for than placed, or there are not so many."""
        if not 1 <= self.retrieved <= self.placed:
            raise SuiteError(f"--retrieved is {self.retrieved}: give 1 to {self.placed}, the number of needles that --placed names")
        draw_needles(self.placed)


class MultiNeedleSuite:
    """Asks for R of N needles; the score is the share of the R numbers in the answer. The guess is of random numbers."""

    name = "multi-needle"
    version = 1
    ways: tuple[Way, ...] = ("generated",)
    stop = ("\n",)

    def __init__(self, settings: MultiNeedleSettings, texts: Texts, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._rounds = HaystackRounds(texts, tokenize)

    @property
    def answer_tokens(self) -> int:
        return TOKENS_OF_A_NUMBER * self._settings.retrieved + 16

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return sample_keys(self._settings.lengths, [self._variant], self._settings.samples)

    @property
    def _variant(self) -> str:
        return f"{self._settings.retrieved} of {self._settings.placed}"

    def question(self, key: Key) -> Question:
        needles, depths, retrieved = self._draw(key.length, key.number)
        head, tail = TEMPLATES[self._settings.preset]
        taken = self._rounds.take(key.length, key.number, lambda number: self._room(key.length, number))
        placed = place_facts(self._tokenize(head), taken, [self._tokenize(needle.sentence) for needle in needles], depths)
        text = tail.format(question=question_text([needle.city for needle in retrieved]))
        by_needle = dict(zip(needles, placed.depths, strict=True))
        return Question(
            prompt=np.concatenate([placed.tokens, self._tokenize(text)]),
            expected=tuple(needle.number for needle in retrieved),
            chance=NUMBER_CHANCE,
            details={"measured_depths": [by_needle[needle] for needle in retrieved]},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """The share of the numbers that the answer holds, as LWM counts it."""
        numbers = set(re.findall(r"\d+", answer))
        return sum(number in numbers for number in expected) / len(expected)

    def _draw(self, length: int, number: int) -> tuple[list[Needle], list[float], list[Needle]]:
        """Needles by depth, their depths, and those that the question asks for."""
        seed = self.name, self._settings.seed, self._variant, length, number
        needles, draw = draw_needles(self._settings.placed, *seed), seeded(*seed, "depths")
        return needles, sorted(draw.random() for _ in needles), draw.sample(needles, self._settings.retrieved)

    def _room(self, length: int, number: int) -> int:
        needles, _, retrieved = self._draw(length, number)
        head, tail = TEMPLATES[self._settings.preset]
        around = [
            head,
            tail.format(question=question_text([needle.city for needle in retrieved])),
            *(needle.sentence for needle in needles),
        ]
        return prompt_room(length, self.answer_tokens) - sum(len(self._tokenize(text)) for text in around)


def question_text(cities: Sequence[str]) -> str:
    """LWM's question for one city or for several, with its comma before the last also where there are two."""
    if len(cities) == 1:
        return f"What is the special magic number for {cities[0]}?"
    return f"What are the special magic numbers for {', '.join(cities[:-1])}, and {cities[-1]}?"
