"""RULER's tracing of variables: which names have a value, through a chain of assignments among noise."""

import random
import string
from dataclasses import dataclass
from typing import NamedTuple

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suites.ruler.retrieval import NOISE
from lwm_trainer.evaluation.suites.ruler.task import Draw, Sample

HOPS = 4
"""Assignments after the first one of a chain."""
NAME_LETTERS = 5
HEAD = "You are a helpful assistant. USER: Find out which variables have the same value in the following text.\n\n"
QUESTION = "\n\nWhich variables in the text above have the value {value}? ASSISTANT: The variables with the value {value} are"
EXAMPLE_NOISE = 3
"""Sentences of noise in the worked example."""


class Chain(NamedTuple):
    """Variables of one value."""

    value: str
    names: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """The assignments in their order."""
        pairs = zip(self.names[1:], self.names, strict=False)
        return [f" VAR {self.names[0]} = {self.value}.", *(f" VAR {name} = VAR {former}." for name, former in pairs)]


@dataclass(frozen=True)
class Tracing:
    """Asks for the names of the first of `chains` chains. RULER has one: every variable of the text is right then.

    The guess names as many random variables of the text, so with one chain it is always right.
    """

    chains: int

    def __call__(self, draw: Draw) -> Sample:
        example, chains = draw_chains(draw.random, 1), draw_chains(draw.random, self.chains)
        head = HEAD + _with_noise(draw.random, example, EXAMPLE_NOISE).lstrip() + QUESTION.format(value=example[0].value)
        head += f" {', '.join(example[0].names)}.\n\nUSER: "
        seed = draw.random.random()

        def text_of(count: int) -> str:
            text = _with_noise(random.Random(seed), chains, count)  # noqa: S311 - the same places for every count
            return head + text.lstrip() + QUESTION.format(value=chains[0].value)

        prompt, _ = fill_prompt(text_of, draw.room, 1, draw.tokenize, "sentences of noise")
        return Sample(prompt, chains[0].names, 1 / self.chains)


TASKS = {"vt": Tracing(1), "vt_two_chains": Tracing(2)}
"""`vt` is RULER's. `vt_two_chains` has a second chain, so that not every variable is right."""


def draw_chains(draw: random.Random, count: int) -> list[Chain]:
    """Chains without a common name or value."""
    names: dict[str, None] = {}
    while len(names) < count * (HOPS + 1):
        names["".join(draw.choice(string.ascii_uppercase) for _ in range(NAME_LETTERS))] = None
    values = draw.sample(range(10_000, 100_000), count)
    size = HOPS + 1
    return [Chain(str(value), tuple(names)[number * size : (number + 1) * size]) for number, value in enumerate(values)]


def _with_noise(draw: random.Random, chains: list[Chain], count: int) -> str:
    """The chains among so many sentences of noise; the lines of each stay in their order."""
    lines = [(place, line) for chain in chains for place, line in zip(sorted(draw.random() for _ in chain.names), chain.lines, strict=True)]
    lines.sort(key=lambda pair: pair[0])
    pieces: list[str] = []
    for number in range(count):
        while lines and lines[0][0] * count <= number:
            pieces.append(lines.pop(0)[1])
        pieces.append(NOISE)
    return "".join([*pieces, *(line for _, line in lines)])
