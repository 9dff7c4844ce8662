"""`needle`: facts hidden in a long text, one question for each depth.

The strings of the preset `lwm` are those of LWM's evaluation (scripts/eval_needle.py in its repository). Needles stand between sentences,
so that no word is cut, and are placed together, so that none moves another.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lwm_trainer.evaluation.haystack import HaystackRounds, Placed, Texts, place_facts
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Way, depth_keys, prompt_room
from lwm_trainer.evaluation.suites.needle_facts import ANSWERS, DRAWS, NUMBER_CHANCE, Fact, Form

Preset = Literal["clean", "lwm"]

TEMPLATES: dict[Preset, tuple[str, str]] = {
    "lwm": (
        "You are a helpful assistant. USER: ",
        " {question} Don't give information outside the document or repeat your findings. Keep your response short and direct. ASSISTANT: ",
    ),
    "clean": ("You are a helpful assistant. USER: ", " {question} Answer with the {answer} only. ASSISTANT:"),
}
"""Before and after the haystack. LWM's ends in a space, which Llama's tokenizer makes a token of its own that training never saw there."""


@dataclass(frozen=True, kw_only=True)
class NeedleSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    """Tokens of prompt and answer together."""
    depths: tuple[float, ...]
    """Shares of the haystack before the needles, 0 to 1."""
    rounds: int = 1
    """Texts and needles of each length."""
    preset: Preset = "clean"
    form: Form = "numbers"
    """What the needles say."""
    single: bool = False
    """True: a haystack has one needle, as in LWM. False: it has those of all depths, and each question shares its prefix."""
    haystack: str = ""
    """Where the texts come from, and in which field: they name the run."""
    haystack_field: str = "text"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError for landmarks in LWM's prompt, which is for numbers, and for more depths than needles."""
        if self.preset == "lwm" and self.form != "numbers":
            raise SuiteError(f"--preset lwm: its needles are numbers, but --form is {self.form}: use --preset clean")
        DRAWS[self.form](len(self.depths))


class NeedleSuite:
    """Asks for each needle of a haystack.

    The guess is a random number of seven digits; of landmarks, a random person of the text.
    """

    name = "needle"
    version = 3
    ways: tuple[Way, ...] = ("generated", "forced")
    answer_tokens = 32
    stop = ("\n",)

    def __init__(self, settings: NeedleSettings, texts: Texts, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._rounds = HaystackRounds(texts, tokenize)
        self._made: tuple[tuple[int, int, tuple[float, ...]], Placed] | None = None
        """The haystack of the last question: its length, round and depths, and its text."""

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return depth_keys(self._settings.lengths, self._settings.depths, self._settings.rounds)

    def question(self, key: Key) -> Question:
        settings = self._settings
        facts = dict(zip(settings.depths, self._facts(key.length, key.number), strict=True))
        assert key.depth is not None  # noqa: S101 - `question_keys` gives every key a depth
        depths = (key.depth,) if settings.single else settings.depths
        haystack = self._haystack(key, depths, [facts[depth] for depth in depths])
        fact = facts[key.depth]
        text = self._tail(fact)
        return Question(
            prompt=np.concatenate([haystack.tokens, self._tokenize(text)]),
            expected=(fact.answer,),
            chance=NUMBER_CHANCE if settings.form == "numbers" else 1 / len(depths),
            reference=fact.answer if text.endswith(" ") else f" {fact.answer}",
            details={"measured_depth": haystack.depths[depths.index(key.depth)]},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the answer holds the number, as LWM counts it, or the name; digits with others beside them are another number."""
        return float(expected[0].lower() in re.findall(r"\d+|[^\W\d_]+", answer.lower()))

    def _facts(self, length: int, number: int) -> list[Fact]:
        return DRAWS[self._settings.form](len(self._settings.depths), self.name, self._settings.seed, length, number)

    def _tail(self, fact: Fact) -> str:
        return TEMPLATES[self._settings.preset][1].format(question=fact.question, answer=ANSWERS[self._settings.form])

    def _haystack(self, key: Key, depths: tuple[float, ...], facts: Sequence[Fact]) -> Placed:
        identity = key.length, key.number, depths
        if self._made is None or self._made[0] != identity:
            taken = self._rounds.take(key.length, key.number, lambda number: self._room(key.length, number))
            head = self._tokenize(TEMPLATES[self._settings.preset][0])
            self._made = identity, place_facts(head, taken, [self._tokenize(fact.sentence) for fact in facts], depths)
        return self._made[1]

    def _room(self, length: int, number: int) -> int:
        """Tokens of a round's text beside prompt, needles and answer; the same for every depth."""
        facts = self._facts(length, number)
        sentences = [len(self._tokenize(fact.sentence)) for fact in facts]
        around = len(self._tokenize(TEMPLATES[self._settings.preset][0])) + max(len(self._tokenize(self._tail(fact))) for fact in facts)
        return prompt_room(length, self.answer_tokens) - around - (max(sentences) if self._settings.single else sum(sentences))
