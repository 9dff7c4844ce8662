"""`json-kv`: a JSON object of random keys and values, and the value of one key at each depth (Liu et al. 2023, arXiv 2307.03172).

All questions of an object share its prefix, so it is computed once.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import Key, Question, Tokenize, Tokens, Way, depth_keys, prompt_room, seeded

HEAD = "Below is a JSON object with random keys and values.\n\n{"
TAIL = '}}\n\nKey: "{key}"\nThe value of this key in the object above is "'
HEX_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class JsonKvSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    depths: tuple[float, ...]
    """Shares of the pairs before the one that is asked for, 0 to 1."""
    rounds: int = 1
    """Objects of each length."""
    seed: int = 0


class JsonKvSuite:
    """Asks for values by key. The guess is the value of a random key."""

    name = "json-kv"
    version = 1
    ways: tuple[Way, ...] = ("generated", "forced")
    answer_tokens = 32
    stop = ('"', "\n")

    def __init__(self, settings: JsonKvSettings, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize
        self._made: tuple[tuple[int, int], tuple[Tokens, list[tuple[str, str]]]] | None = None
        """Length and round of the last object, its tokens and its pairs."""

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return depth_keys(self._settings.lengths, self._settings.depths, self._settings.rounds)

    def question(self, key: Key) -> Question:
        tokens, pairs = self._object(key.length, key.number)
        assert key.depth is not None  # noqa: S101 - `question_keys` gives every key a depth
        place = min(int(key.depth * len(pairs)), len(pairs) - 1)
        name, value = pairs[place]
        return Question(
            prompt=np.concatenate([tokens, self._tokenize(TAIL.format(key=name))]),
            expected=(value,),
            chance=1 / len(pairs),
            reference=value,
            details={"pairs": len(pairs), "measured_depth": place / len(pairs)},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the answer is the value and nothing else."""
        return float(answer.strip(' "\n') == expected[0])

    def _object(self, length: int, number: int) -> tuple[Tokens, list[tuple[str, str]]]:
        if self._made is None or self._made[0] != (length, number):
            draw = seeded(self.name, self._settings.seed, length, number)
            pairs: list[tuple[str, str]] = []

            def text_of(count: int) -> str:
                while len(pairs) < count:
                    pairs.append((draw_hex(draw), draw_hex(draw)))
                return HEAD + ",\n ".join(f'"{name}": "{value}"' for name, value in pairs[:count])

            tail = len(self._tokenize(TAIL.format(key="0" * HEX_DIGITS))) + 2 * HEX_DIGITS
            tokens, count = fill_prompt(text_of, prompt_room(length, self.answer_tokens) - tail, 2, self._tokenize, "pairs")
            self._made = (length, number), (tokens, pairs[:count])
        return self._made[1]


def draw_hex(draw: random.Random) -> str:
    """A random name of hexadecimal digits in three groups."""
    digits = f"{draw.getrandbits(4 * HEX_DIGITS):0{HEX_DIGITS}x}"
    return "-".join(digits[begin : begin + 4] for begin in range(0, HEX_DIGITS, 4))
