"""`needle`: numbers hidden in a long text, one question for each depth.

The strings of the preset `lwm` are those of LWM's evaluation (scripts/eval_needle.py in its repository). Needles stand between sentences,
so that no word is cut, and are placed together, so that none moves another.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from lwm_trainer.evaluation.haystack import HaystackRounds, Placed, Texts, place_facts
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, prompt_room, seeded

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
CHANCE = 1 / (9 * 10.0 ** (DIGITS - 1))
"""The share of right answers of a model that guesses numbers."""

TEMPLATES: dict[Preset, tuple[str, str]] = {
    "lwm": (
        "You are a helpful assistant. USER: ",
        " {question} Don't give information outside the document or repeat your findings. Keep your response short and direct. ASSISTANT: ",
    ),
    "clean": ("You are a helpful assistant. USER: ", " {question} Answer with the number only. ASSISTANT:"),
}
"""Before and after the haystack. LWM's ends in a space, which Llama's tokenizer makes a token of its own that training never saw there."""


class Needle(NamedTuple):
    """A fact of the haystack."""

    city: str
    number: str


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
    single: bool = False
    """True: a haystack has one needle, as in LWM. False: it has those of all depths, and each question shares its prefix."""
    haystack: str = ""
    """Where the texts come from, and in which field: they name the run."""
    haystack_field: str = "text"
    seed: int = 0


class NeedleSuite:
    """Asks for each needle of a haystack. The guess of its chance is a random number of seven digits."""

    name = "needle"
    version = 2
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
        return [
            Key(length, "", depth, number)
            for length in self._settings.lengths
            for number in range(self._settings.rounds)
            for depth in self._settings.depths
        ]

    def question(self, key: Key) -> Question:
        settings = self._settings
        needles = dict(zip(settings.depths, self._needles(key.length, key.number), strict=True))
        assert key.depth is not None  # noqa: S101 - `question_keys` gives every key a depth
        depths = (key.depth,) if settings.single else settings.depths
        haystack = self._haystack(key, depths, [needles[depth] for depth in depths])
        needle = needles[key.depth]
        text = TEMPLATES[settings.preset][1].format(question=QUESTION.format(city=needle.city))
        return Question(
            prompt=np.concatenate([haystack.tokens, self._tokenize(text)]),
            expected=(needle.number,),
            chance=CHANCE,
            reference=needle.number if text.endswith(" ") else f" {needle.number}",
            details={"measured_depth": haystack.depths[depths.index(key.depth)]},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """1 where the answer holds the number, as LWM counts it; digits with others beside them are another number."""
        return float(expected[0] in re.findall(r"\d+", answer))

    def _needles(self, length: int, number: int) -> list[Needle]:
        return draw_needles(len(self._settings.depths), self.name, self._settings.seed, length, number)

    def _haystack(self, key: Key, depths: tuple[float, ...], needles: Sequence[Needle]) -> Placed:
        identity = key.length, key.number, depths
        if self._made is None or self._made[0] != identity:
            taken = self._rounds.take(key.length, key.number, lambda number: self._room(key.length, number))
            head = self._tokenize(TEMPLATES[self._settings.preset][0])
            self._made = identity, place_facts(head, taken, [self._tokenize(needle_text(needle)) for needle in needles], depths)
        return self._made[1]

    def _room(self, length: int, number: int) -> int:
        """Tokens of a round's text beside prompt, needles and answer; the same for every depth."""
        head, tail = TEMPLATES[self._settings.preset]
        needles = self._needles(length, number)
        facts = [len(self._tokenize(needle_text(needle))) for needle in needles]
        questions = [len(self._tokenize(tail.format(question=QUESTION.format(city=needle.city)))) for needle in needles]
        return (
            prompt_room(length, self.answer_tokens)
            - len(self._tokenize(head))
            - max(questions)
            - (max(facts) if self._settings.single else sum(facts))
        )


def draw_needles(count: int, *seed: object) -> list[Needle]:
    """Needles of different cities. Raises SuiteError for more than there are cities."""
    if count > len(CITIES):
        raise SuiteError(f"{count} needles in a haystack: at most {len(CITIES)}, for each names a city of its own")
    draw = seeded(*seed)
    least = 10 ** (DIGITS - 1)
    return [Needle(city, str(draw.randrange(least, 10 * least))) for city in draw.sample(CITIES, count)]


def needle_text(needle: Needle) -> str:
    """The sentence that states it."""
    return NEEDLE.format(city=needle.city, number=needle.number)
