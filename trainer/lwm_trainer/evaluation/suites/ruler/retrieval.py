"""RULER's eight tasks of retrieval: values by their keys, among noise, in a text of the user's, or among other needles."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from lwm_trainer.evaluation.haystack import place_facts
from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import Tokens
from lwm_trainer.evaluation.suites.ruler.task import Draw, Sample
from lwm_trainer.evaluation.suites.words import ADJECTIVES, NOUNS

Kind = Literal["words", "numbers", "uuids"]
NOISE = " The river runs on. The clouds are low. Nobody is in a hurry. The road goes over the hill and back."
"""Said over and over: RULER's noise is five sentences of this kind."""
HEAD = "You are a helpful assistant. USER: Some special magic {values} are hidden in the following text. Remember them for a question.\n\n"
NEEDLE = " One of the special magic {values} for {key} is: {value}."
TAIL = "\n\nWhat are all the special magic {values} for {keys} in the text above? ASSISTANT: The special magic {values} for {keys} are"
DEPTHS = 40
"""Needles stand at different ones of so many depths."""


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """What one of the tasks hides and asks for."""

    haystack: Literal["noise", "text", "needles"]
    keys: Kind = "words"
    values: Kind = "numbers"
    keys_placed: int = 1
    values_of_a_key: int = 1
    keys_asked: int = 1

    def __call__(self, draw: Draw) -> Sample:
        parts = self.parts(draw.random)
        if self.haystack == "text":
            facts = [draw.tokenize(fact) for fact in parts.facts]
            placed = place_facts(draw.tokenize(parts.head), draw.text(), facts, parts.depths)
            return Sample(np.concatenate([placed.tokens, draw.tokenize(parts.tail)]), parts.expected, 0.0)
        return Sample(self._among_items(draw, parts), parts.expected, 0.0)

    def parts(self, random_: random.Random) -> "Parts":
        """All but the haystack."""
        keys = _different(random_, self.keys, self.keys_placed)
        needles = [(key, value) for key in keys for value in _different(random_, self.values, self.values_of_a_key)]
        wanted = keys[: self.keys_asked]
        facts = [NEEDLE.format(values=self.values, key=key, value=value) for key, value in needles]
        random_.shuffle(facts)
        return Parts(
            head=HEAD.format(values=self.values),
            facts=tuple(facts),
            depths=tuple(depth / DEPTHS for depth in sorted(random_.sample(range(DEPTHS + 1), len(facts)))),
            tail=TAIL.format(values=self.values, keys=_listed(wanted)),
            keys=tuple(keys),
            expected=tuple(value for key, value in needles if key in wanted),
        )

    def _among_items(self, draw: Draw, parts: "Parts") -> Tokens:
        others: list[str] = []

        def text_of(count: int) -> str:
            while len(others) < count:
                others.append(self._other(draw.random, parts.keys))
            items, rest = list[str](), list(zip(parts.depths, parts.facts, strict=True))
            for number, other in enumerate(others[:count]):
                while rest and rest[0][0] * count <= number:
                    items.append(rest.pop(0)[1])
                items.append(other)
            return parts.head + "".join([*items, *(fact for _, fact in rest)]).lstrip() + parts.tail

        return fill_prompt(text_of, draw.room, 1, draw.tokenize, "sentences beside the needles")[0]

    def _other(self, random_: random.Random, keys: Sequence[str]) -> str:
        if self.haystack == "noise":
            return NOISE
        key = next(name for name in iter(lambda: _one(random_, self.keys), None) if name not in keys)
        return NEEDLE.format(values=self.values, key=key, value=_one(random_, self.values))


class Parts(NamedTuple):
    """A sample without its haystack."""

    head: str
    facts: tuple[str, ...]
    depths: tuple[float, ...]
    """Share of the haystack before each fact, ascending."""
    tail: str
    keys: tuple[str, ...]
    """Names that no sentence of the haystack may have."""
    expected: tuple[str, ...]


TASKS = {
    "niah_single_1": Retrieval(haystack="noise"),
    "niah_single_2": Retrieval(haystack="text"),
    "niah_single_3": Retrieval(haystack="text", values="uuids"),
    "niah_multikey_1": Retrieval(haystack="text", keys_placed=4),
    "niah_multikey_2": Retrieval(haystack="needles"),
    "niah_multikey_3": Retrieval(haystack="needles", keys="uuids", values="uuids"),
    "niah_multivalue": Retrieval(haystack="text", values_of_a_key=4),
    "niah_multiquery": Retrieval(haystack="text", keys_placed=4, keys_asked=4),
}
"""The tasks by their names in RULER. The guess is a random value, whose chance is below one in a million."""


def _one(draw: random.Random, kind: Kind) -> str:
    if kind == "words":
        return f"{draw.choice(ADJECTIVES)}-{draw.choice(NOUNS)}"
    return str(draw.randrange(10**6, 10**7)) if kind == "numbers" else str(uuid.UUID(int=draw.getrandbits(128), version=4))


def _different(draw: random.Random, kind: Kind, count: int) -> list[str]:
    """So many different names, in the order in which they were drawn."""
    names: dict[str, None] = {}
    while len(names) < count:
        names[_one(draw, kind)] = None
    return list(names)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
