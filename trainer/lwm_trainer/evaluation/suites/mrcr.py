"""`mrcr`: a long conversation in which one request comes several times, and the answer to one of them is to be repeated.

The task is that of OpenAI's MRCR (Vodrahalli et al. 2024, arXiv 2409.12640), with texts of a seeded grammar: every turn asks for a writing;
2, 4 or 8 turns ask for the same one; the model repeats the i-th, after a random string. Score, as published: 0 without that string before
it, else the ratio of `difflib.SequenceMatcher`.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from lwm_trainer.evaluation.prompt_room import fill_prompt
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Tokenize, Way, prompt_room, sample_keys, seeded
from lwm_trainer.evaluation.suites.words import NOUNS, draw_sentence

FORMS = ("poem", "riddle", "letter", "speech", "diary entry", "short story", "song", "news report")
STYLES = ("formal", "playful", "gloomy", "plain", "solemn", "cheerful")
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
HEAD = "You are a helpful assistant."
PREFIX_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Turn(NamedTuple):
    """A request and its answer."""

    form: str
    topic: str
    style: str
    text: str

    @property
    def request(self) -> str:
        return f"Write a {self.form} about the {self.topic} in a {self.style} way."


@dataclass(frozen=True, kw_only=True)
class MrcrSettings:
    """What is asked."""

    lengths: tuple[int, ...]
    needles: tuple[int, ...] = (2, 4, 8)
    """Turns with the same request."""
    samples: int = 10
    """Conversations of each length and number of needles."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises SuiteError for a number of needles that has no ordinal."""
        if wrong := [count for count in self.needles if not 2 <= count <= len(ORDINALS)]:
            raise SuiteError(f"--needles: {wrong[0]}: give 2 to {len(ORDINALS)}")


class MrcrSuite:
    """Asks for the i-th of equal requests. The guess repeats a random one of them after the right string."""

    name = "mrcr"
    version = 1
    ways: tuple[Way, ...] = ("generated", "forced", "likeliest")
    answer_tokens = 384
    stop = ("USER:",)

    def __init__(self, settings: MrcrSettings, tokenize: Tokenize) -> None:
        self._settings, self._tokenize = settings, tokenize

    def settings(self) -> dict[str, Any]:
        return asdict(self._settings)

    def question_keys(self) -> list[Key]:
        return sample_keys(self._settings.lengths, [f"{count} needles" for count in self._settings.needles], self._settings.samples)

    def question(self, key: Key) -> Question:
        draw = seeded(self.name, self._settings.seed, *key)
        count = int(key.variant.split()[0])
        needles = draw_needles(draw, count)
        wanted, places = draw.randrange(count), sorted(draw.random() for _ in needles)
        prefix = "".join(draw.choice(PREFIX_LETTERS) for _ in range(10))
        others: list[Turn] = []
        final = (
            f" USER: Repeat the {ORDINALS[wanted]} {needles[0].form} about the {needles[0].topic} in a {needles[0].style} way, letter by"
            f" letter, and write {prefix} before it. ASSISTANT:"
        )

        def text_of(size: int) -> str:
            while len(others) < size:
                others.append(draw_other(draw, needles[0]))
            turns = merge(others[:size], needles, places)
            return HEAD + "".join(f" USER: {turn.request} ASSISTANT: {turn.text}" for turn in turns) + final

        prompt, size = fill_prompt(text_of, prompt_room(key.length, self.answer_tokens), 1, self._tokenize, "turns beside the needles")
        answers = [f" {prefix} {needle.text}" for needle in needles]
        return Question(
            prompt=prompt,
            expected=(prefix, needles[wanted].text),
            chance=sum(self.score((prefix, needles[wanted].text), answer) for answer in answers) / count,
            reference=answers[wanted],
            choices=tuple(answers),
            details={"turns": size + count, "wanted": wanted + 1, "depths": places},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        """0 where the answer does not begin with the string, else how alike the rest and the text are."""
        prefix, text = expected
        if not answer.strip().startswith(prefix):
            return 0.0
        return SequenceMatcher(None, answer.strip().removeprefix(prefix).strip(), text).ratio()


def draw_needles(draw: random.Random, count: int) -> list[Turn]:
    """Turns of one request with texts that are all different."""
    form, topic, style = draw.choice(FORMS), draw.choice(NOUNS), draw.choice(STYLES)
    texts: list[str] = []
    while len(texts) < count:
        if (text := draw_text(draw, topic)) not in texts:
            texts.append(text)
    return [Turn(form, topic, style, text) for text in texts]


def draw_other(draw: random.Random, needle: Turn) -> Turn:
    """A turn with another request; half of them share the needle's form or topic, so that neither tells it alone."""
    while True:
        form = needle.form if draw.random() < 0.25 else draw.choice(FORMS)
        topic = needle.topic if draw.random() < 0.25 else draw.choice(NOUNS)
        style = draw.choice(STYLES)
        if (form, topic, style) != needle[:3]:
            return Turn(form, topic, style, draw_text(draw, topic))


def draw_text(draw: random.Random, topic: str) -> str:
    """Three to six sentences."""
    return " ".join(draw_sentence(draw, topic) for _ in range(draw.randint(3, 6)))


def merge(others: Sequence[Turn], needles: Sequence[Turn], places: Sequence[float]) -> list[Turn]:
    """All turns; each needle stands behind the share of the others that its place says."""
    turns: list[Turn] = []
    rest = list(zip(places, needles, strict=True))
    for number, other in enumerate(others):
        while rest and rest[0][0] * len(others) <= number:
            turns.append(rest.pop(0)[1])
        turns.append(other)
    return turns + [needle for _, needle in rest]
