"""What a task of RULER is: a draw, room for a prompt, and what comes out of it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lwm_trainer.evaluation.suite import Tokenize, Tokens


class Sample(NamedTuple):
    """A question of a task."""

    prompt: Tokens
    expected: tuple[str, ...]
    """All texts that the answer should hold; of `qa`, one of which it should hold."""
    chance: float
    """The score of the guess that the task names."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a sample is made from."""

    random: random.Random
    length: int
    """Tokens of prompt and answer together."""
    room: int
    """Tokens of the prompt, at most."""
    tokenize: Tokenize
    text: Callable[[], Sequence[Tokens]]
    """The haystack of this sample, as sentences. Raises SuiteError where there is none."""


Make = Callable[[Draw], Sample]
"""Makes the sample of a draw. Raises SuiteError where the room is too small."""
