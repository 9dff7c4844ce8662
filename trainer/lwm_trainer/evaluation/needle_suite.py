"""The needle suite: every length and depth, asked and counted, and taken up again where it was interrupted."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lwm_trainer.config import ExitCode
from lwm_trainer.evaluation.binomial import wilson_interval
from lwm_trainer.evaluation.needles import (
    DIGITS,
    Haystack,
    Preset,
    Tokenize,
    Tokens,
    build_haystack,
    draw_needles,
    is_right,
    question_text,
    sentences,
)

ANSWER_TOKENS = 32
"""Tokens of an answer, at most: a number has seven digits, and some models begin with a few words."""

Ask = Callable[[Tokens], str]
"""A prompt, without the token that begins a document, to the text of the answer. Prompts that begin alike come one after the other."""
Texts = Callable[[], Iterator[str]]
"""The texts of the haystack from their beginning; read once for each length and round."""


class SuiteError(ValueError):
    """The suite cannot run as asked."""

    code = ExitCode.BAD_ARGUMENTS


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
    seed: int = 0


class Question(NamedTuple):
    """A question and what came of it: a line of the file of results."""

    length: int
    round: int
    depth: float
    measured_depth: float
    expected: str
    answer: str
    correct: bool


class Cell(NamedTuple):
    """All questions of a length and a depth."""

    length: int
    depth: float
    questions: int
    correct: int
    low: float
    """The 95 % interval of the share of right answers."""
    high: float


def run_needles(settings: NeedleSettings, subject: str, texts: Texts, tokenize: Tokenize, ask: Ask, results: Path) -> Iterator[Question]:
    """Ask every question that `results` does not hold yet; yields all, those of the file first.

    Args:
        subject: what is evaluated, such as the checkpoint's folder; with the settings it names the run that the file belongs to.

    Raises SuiteError where the file belongs to another run, HaystackError where there is too little text.
    """
    earlier = _read(results, {"suite": "needle", "subject": subject, **asdict(settings)})
    yield from earlier
    done = {(question.length, question.round, question.depth) for question in earlier}
    with results.open("a", encoding="utf-8") as file:
        for length in settings.lengths:
            for number in range(settings.rounds):
                missing = [depth for depth in settings.depths if (length, number, depth) not in done]
                for question in _ask_round(settings, length, number, missing, texts, tokenize, ask) if missing else ():
                    file.write(json.dumps(question._asdict()) + "\n")
                    file.flush()
                    yield question


def cells(questions: Sequence[Question]) -> list[Cell]:
    """The questions by length and depth, ascending."""
    keys = sorted({(question.length, question.depth) for question in questions})
    made = []
    for key in keys:
        answers = [question.correct for question in questions if (question.length, question.depth) == key]
        made.append(Cell(*key, len(answers), sum(answers), *wilson_interval(sum(answers), len(answers))))
    return made


def _ask_round(
    settings: NeedleSettings, length: int, number: int, missing: Sequence[float], texts: Texts, tokenize: Tokenize, ask: Ask
) -> Iterator[Question]:
    groups = [(depth,) for depth in settings.depths] if settings.single else [settings.depths]
    for group in groups:
        wanted = [depth for depth in group if depth in missing]
        if not wanted:
            continue
        haystack = _haystack(settings, length, number, group, texts, tokenize)
        for needle, measured in zip(haystack.needles, haystack.measured_depths, strict=True):
            if needle.depth in wanted:
                answer = ask(np.concatenate([haystack.tokens, tokenize(question_text(settings.preset, needle))]))
                yield Question(length, number, needle.depth, measured, needle.number, answer, is_right(answer, needle))


def _haystack(settings: NeedleSettings, length: int, number: int, depths: Sequence[float], texts: Texts, tokenize: Tokenize) -> Haystack:
    """The haystack of a round: another text in each, the same for all depths."""
    needles = draw_needles(depths, seed=(settings.seed * 1_000_003 + number) * 1_000_003 + length)
    longest = max(len(tokenize(question_text(settings.preset, needle))) for needle in needles)
    source = sentences(texts())
    for _ in range(number):  # what the earlier rounds of this length took
        build_haystack(source, (), length, longest + ANSWER_TOKENS, settings.preset, tokenize)
    return build_haystack(source, needles, length, longest + ANSWER_TOKENS, settings.preset, tokenize)


def _read(results: Path, run: dict[str, Any]) -> list[Question]:
    """The questions in the file; its first line is the run, and is written where there is none. A torn last line is taken off."""
    run = json.loads(json.dumps(run))
    lines = results.read_text(encoding="utf-8").splitlines(keepends=True) if results.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    if not whole:
        results.write_text(json.dumps(run) + "\n", encoding="utf-8")
        return []
    if json.loads(whole[0]) != run:
        raise SuiteError(f"{results}: holds results of another checkpoint or other settings: name another file, or remove it")
    if len(whole) < len(lines):
        results.write_text("".join(whole), encoding="utf-8")
    return [Question(**json.loads(line)) for line in whole[1:]]


def chance() -> float:
    """The share of right answers of a model that guesses numbers."""
    return 1 / (9 * 10.0 ** (DIGITS - 1))
