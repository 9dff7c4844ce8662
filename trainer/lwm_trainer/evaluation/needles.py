"""Needles in a haystack: facts at chosen depths of a long text, and a question about one of them.

The strings are those of LWM's evaluation (scripts/eval_needle.py in its repository). Needles stand between sentences, so that no word is
cut, and are placed together, so that none moves another.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import ExitCode

Tokens = NDArray[np.int32]
Tokenize = Callable[[str], Tokens]

Preset = Literal["clean", "lwm"]

CITIES = (
    "Accra Adelaide Amman Ankara Antwerp Athens Auckland Baku Bangkok Barcelona Beirut Belgrade Bergen Berlin Bogota Boston Brisbane "
    "Brussels Bucharest Budapest Cairo Calgary Caracas Casablanca Chicago Copenhagen Dakar Dallas Damascus Delhi Denver Dhaka Dublin "
    "Durban Edinburgh Florence Geneva Glasgow Hamburg Hanoi Harare Havana Helsinki Houston Istanbul Jakarta Kampala Karachi Kigali "
    "Kinshasa Krakow Kyoto Lagos Lahore Lima Lisbon Ljubljana London Luanda Lusaka Lyon Madrid Malaga Manila Maputo Marseille "
    "Medellin Melbourne Miami Milan Minsk Montevideo Montreal Mumbai Munich Nairobi Naples Nicosia Oslo Ottawa Palermo Panama Paris "
    "Perth Porto Prague Quito Riga Rome Rotterdam Santiago Seattle Seoul Seville Shanghai Sofia Stockholm Sydney Tallinn Tbilisi "
    "Tokyo Toronto Tunis Turin Utrecht Valencia Vancouver Venice Vienna Vilnius Warsaw Wellington Windhoek Yerevan Zagreb Zurich"
).split()
NEEDLE = "\nThe special magic {city} number is: {number}\n"
QUESTION = "What is the special magic {city} number?"
DIGITS = 7

TEMPLATES: dict[Preset, tuple[str, str]] = {
    "lwm": (
        "You are a helpful assistant. USER: ",
        " {question} Don't give information outside the document or repeat your findings. Keep your response short and direct. ASSISTANT: ",
    ),
    "clean": ("You are a helpful assistant. USER: ", " {question} Answer with the number only. ASSISTANT:"),
}
"""Before and after the haystack. LWM's ends in a space, which Llama's tokenizer makes a token of its own that training never saw there."""

_SENTENCE = re.compile(r"(?<=[.!?])\s+")


class HaystackError(ValueError):
    """The haystack cannot be made: the message says what is missing and how much."""

    code = ExitCode.BAD_ARGUMENTS


class Needle(NamedTuple):
    """A fact, and where it should stand."""

    city: str
    number: str
    depth: float
    """Share of the haystack before it, 0 to 1."""


@dataclass(frozen=True)
class Haystack:
    """A document with needles, as tokens."""

    tokens: Tokens
    """All that stands before a question, the template's beginning included."""
    needles: tuple[Needle, ...]
    measured_depths: tuple[float, ...]
    """Share of `tokens` before each needle."""


def draw_needles(depths: Sequence[float], seed: int) -> tuple[Needle, ...]:
    """A needle for each depth, all of different cities. Raises HaystackError for more depths than cities."""
    if len(depths) > len(CITIES):
        raise HaystackError(f"{len(depths)} depths: at most {len(CITIES)}, for each needle names a city of its own")
    draw = random.Random(seed)  # noqa: S311 - the same seed must draw the same needles
    cities = draw.sample(CITIES, len(depths))
    least = 10 ** (DIGITS - 1)
    return tuple(Needle(city, str(draw.randrange(least, 10 * least)), depth) for city, depth in zip(cities, depths, strict=True))


def sentences(texts: Iterable[str]) -> Iterator[str]:
    """The sentences of all texts, each with a space before it."""
    for text in texts:
        for sentence in _SENTENCE.split(text):
            if stripped := sentence.strip():
                yield " " + stripped


def build_haystack(
    source: Iterator[str], needles: Sequence[Needle], length: int, reserved: int, preset: Preset, tokenize: Tokenize
) -> Haystack:
    """Take sentences from `source` until haystack, needles and `reserved` tokens fill `length`.

    Args:
        length: tokens of the prompt and the answer together.
        reserved: tokens for the question and the answer.
        tokenize: text to tokens, without those that begin and end a document.

    Raises HaystackError where the source ends too early, or `length` has no room for any sentence.
    """
    head = tokenize(TEMPLATES[preset][0])
    needle_tokens = [tokenize(NEEDLE.format(city=needle.city, number=needle.number)) for needle in needles]
    room = length - reserved - len(head) - sum(map(len, needle_tokens))
    taken: list[Tokens] = []
    filled = 0
    while True:
        try:
            tokens = tokenize(next(source))
        except StopIteration:
            raise HaystackError(
                f"the haystack has {filled} tokens left, but {room} are needed: give more text, or shorter lengths"
            ) from None
        if filled + len(tokens) > room:
            break
        taken.append(tokens)
        filled += len(tokens)
    if not taken:
        raise HaystackError(
            f"a length of {length} tokens has room for {max(room, 0)} of the haystack, less than a sentence: use a longer one"
        )
    before = np.cumsum([0, *map(len, taken)])
    places = [int(np.searchsorted(before, needle.depth * filled, side="right")) - 1 for needle in needles]
    pieces, depths = [head], [0.0] * len(needles)
    total = len(head) + filled + sum(map(len, needle_tokens))
    position = len(head)
    for sentence in range(len(taken) + 1):
        for number in (number for number, place in enumerate(places) if place == sentence):
            depths[number] = position / total
            pieces.append(needle_tokens[number])
            position += len(needle_tokens[number])
        if sentence < len(taken):
            pieces.append(taken[sentence])
            position += len(taken[sentence])
    return Haystack(np.concatenate(pieces), tuple(needles), tuple(depths))


def question_text(preset: Preset, needle: Needle) -> str:
    """What follows the haystack."""
    return TEMPLATES[preset][1].format(question=QUESTION.format(city=needle.city))


def is_right(answer: str, needle: Needle) -> bool:
    """Whether the answer holds the number, as LWM counts it: digits with others beside them are another number."""
    return needle.number in re.findall(r"\d+", answer)
