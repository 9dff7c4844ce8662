"""Runs a suite: asks every question that has no answer yet, and keeps each answer as a line of a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lwm_trainer.evaluation.results_file import Line, ResultsFile
from lwm_trainer.evaluation.suite import Key, Question, Suite, SuiteError, Way

Ask = Callable[[Question], str]
"""A question to the text of its answer. Prompts that begin alike come one after the other."""


class Answer(NamedTuple):
    """An answer with its score: a line of the file of results."""

    key: Key
    expected: tuple[str, ...]
    answer: str
    score: float
    """How right it is, 0 to 1."""
    chance: float
    """What a guess would score."""
    details: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {**self.key._asdict(), **{name: value for name, value in self._asdict().items() if name != "key"}}


def run_suite(suite: Suite, subject: str, way: Way, ask: Ask, results: Path) -> Iterator[Answer]:
    """Ask every question that `results` does not hold yet; yields all answers, those of the file first.

    Args:
        subject: what is evaluated, such as the checkpoint's folder.
        way: how `ask` answers. With subject, suite and settings it names the run that the file belongs to.

    Raises SuiteError where the suite has not this way, or the file belongs to another run or cannot be read, and what the suite's
    questions raise.
    """
    if way not in suite.ways:
        raise SuiteError(f"--answers {way}: {suite.name} cannot be answered so: use {' or '.join(suite.ways)}")
    run = {"suite": suite.name, "version": suite.version, "subject": subject, "answers": way, **suite.settings()}
    file = ResultsFile(results, run)
    earlier = [_answer(file, index, line) for index, line in enumerate(file.earlier)]
    yield from earlier
    done = {answer.key for answer in earlier}
    for key in suite.question_keys():
        if key in done:
            continue
        question = suite.question(key)
        text = ask(question)
        answer = Answer(key, question.expected, text, *_score(suite, question, way, text), question.details)
        file.append(answer.as_json())
        yield answer


def _score(suite: Suite, question: Question, way: Way, text: str) -> tuple[float, float]:
    """The score of the answer and that of a guess. A choice is right or wrong, however alike they are."""
    if way == "likeliest":
        return float(text == question.reference), 1 / len(question.choices)
    return suite.score(question.expected, text), question.chance


def _answer(file: ResultsFile, index: int, line: Line) -> Answer:
    try:
        key = Key(*(line[name] for name in Key._fields))
        return Answer(key, tuple(line["expected"]), *(line[name] for name in Answer._fields[2:]))
    except (KeyError, TypeError) as error:
        raise file.no_result(index, error) from error
