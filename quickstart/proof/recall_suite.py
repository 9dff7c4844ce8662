"""`recall`: which mark of a kind stands in a text. All questions of a text share its prefix, so it is computed once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lwm_trainer.evaluation.haystack import HaystackRounds, Placed, Texts, place_facts
from lwm_trainer.evaluation.suite import Key, Question, Tokenize, Way, depth_keys, even_depths, prompt_room, seeded
from quickstart.proof.data import FACT, KINDS, QUESTION, draw_facts

Wording = Literal["trained", "other"]
WORDINGS: dict[Wording, tuple[str, str]] = {"trained": (FACT, QUESTION), "other": ("\nThe {kind} is: {word}\n", "\nThe {kind} is:")}
"""How marks stand in the text, and how they are asked for. No text of the training has the other wording."""


@dataclass(frozen=True, kw_only=True)
class RecallSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    rounds: int
    """Texts of each length."""
    wording: Wording = "trained"
    seed: int = 0


class RecallSuite:
    """Asks for each mark of a text. The guess is a random word of the kind."""

    name = "recall"
    version = 1
    ways: tuple[Way, ...] = ("forced",)
    answer_tokens = 4
    stop = ("\n",)

    def __init__(self, settings: RecallSettings, texts: Texts, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._rounds = HaystackRounds(texts, tokenize)
        self._depths = even_depths(len(KINDS))
        self._made: tuple[tuple[int, int], Placed] | None = None
        """Length and round of the last text, and the text."""

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return depth_keys(self._settings.lengths, self._depths, self._settings.rounds)

    def question(self, key: Key) -> Question:
        line, question = WORDINGS[self._settings.wording]
        facts = draw_facts(seeded(self.name, self._settings.seed, key.length, key.number))
        lines = [self._tokenize(line.format(kind=fact.kind, word=fact.word)) for fact in facts]
        tails = [self._tokenize(question.format(kind=fact.kind)) for fact in facts]
        if self._made is None or self._made[0] != (key.length, key.number):
            room = prompt_room(key.length, self.answer_tokens) - sum(map(len, lines)) - max(map(len, tails))
            taken = self._rounds.take(key.length, key.number, lambda _: room)
            self._made = (key.length, key.number), place_facts(np.array([], np.int32), taken, lines, self._depths)
        assert key.depth is not None  # noqa: S101 - `question_keys` gives every key a depth
        place = self._depths.index(key.depth)
        return Question(
            prompt=np.concatenate([self._made[1].tokens, tails[place]]),
            expected=(facts[place].word,),
            chance=1 / len(KINDS[facts[place].kind]),
            reference=f" {facts[place].word}",
            details={"measured_depth": self._made[1].depths[place]},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the answer is the word."""
        return float(answer.strip() == expected[0])
