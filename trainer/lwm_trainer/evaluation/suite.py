"""What a suite is: numbered questions about long texts, each a pure function of its key, and a rule that scores the answers.

A suite knows a tokenizer and no model. `run_suite` asks its questions, resumes and counts.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import ExitCode

Tokens = NDArray[np.int32]
Tokenize = Callable[[str], Tokens]
"""A text to its tokens, int32[n], without those that begin and end a document."""


Way = Literal["generated", "forced", "likeliest"]
"""How a question is answered: the most probable text; the right text, where each of its tokens is the most probable one, else nothing;
or the likeliest of the suite's choices. The last two need no generation, and are fair to models that follow no instructions."""


class SuiteError(ValueError):
    """The suite cannot run as asked: the message names the option or file and the fix."""

    code = ExitCode.BAD_ARGUMENTS


class Key(NamedTuple):
    """Which question. Questions of equal length and variant are samples of one cell, or of one cell for each depth."""

    length: int
    """Tokens of prompt and answer together, at most, with the one that begins the document."""
    variant: str
    """What the suite asks, such as a task of RULER; empty where it asks one thing."""
    depth: float | None
    """Share of the text before what is asked for, 0 to 1; None where the suite has no depths."""
    number: int
    """Which sample, from 0."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A prompt, and what its answer is compared with."""

    prompt: Tokens
    """All before the answer, without the token that begins a document."""
    vision: NDArray[np.bool_] | None = None
    """Which tokens of the prompt are of the vision vocabulary, bool[n]; None: none."""
    expected: tuple[str, ...]
    """What the answer should hold; the suite's `score` says how they are compared."""
    chance: float
    """The score that a guess is expected to have; the suite says which guess."""
    reference: str | None = None
    """The whole right answer as it would follow the prompt; None where no single text is right."""
    choices: tuple[str, ...] = ()
    """Answers of which the likeliest may be taken instead of a generated one; empty where the suite has none."""
    details: dict[str, Any] = field(default_factory=dict)
    """What else the line of results says, such as the measured depth."""


class Suite(Protocol):
    """A suite. Questions that begin alike come one after the other, so that their common prefix is computed once."""

    @property
    def name(self) -> str:
        """Its name on the command line and in results."""

    @property
    def version(self) -> int:
        """Raised whenever the same settings would ask or score differently: results of two versions are not compared."""

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways in which its questions can be answered."""

    @property
    def answer_tokens(self) -> int:
        """Tokens of an answer, at most."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts that end an answer."""

    def settings(self) -> dict[str, Any]:
        """Everything that decides the questions, as JSON."""

    def question_keys(self) -> Sequence[Key]:
        """The keys of all questions, in the order in which they are asked."""

    def question(self, key: Key) -> Question:
        """The question of a key, always the same one. Raises SuiteError where there is too little text or room."""

    def score(self, expected: Sequence[str], answer: str) -> float:
        """How right an answer is, 0 to 1."""


def prompt_room(length: int, answer_tokens: int) -> int:
    """Tokens that a question's prompt may have: `length` holds the token that begins the document, the prompt and the answer."""
    return length - answer_tokens - 1


def seeded(*parts: object) -> random.Random:
    """A random generator that the same parts, such as a suite's name, its seed and a key, always make."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 - the same seed must draw the same question


def even_depths(count: int) -> tuple[float, ...]:
    """So many depths from 0 to 1; a single one is in the middle."""
    return tuple(np.linspace(0, 1, count).round(4).tolist()) if count > 1 else (0.5,)


def depth_keys(lengths: Sequence[int], depths: Sequence[float], rounds: int) -> list[Key]:
    """The keys of a suite that asks one question for each depth of a text: those of one text come one after the other."""
    return [Key(length, "", depth, number) for length in lengths for number in range(rounds) for depth in depths]


def sample_keys(lengths: Sequence[int], variants: Sequence[str], samples: int) -> list[Key]:
    """The keys of a suite without depths: every length, variant and sample."""
    return [Key(length, variant, None, number) for length in lengths for variant in variants for number in range(samples)]
