"""A suite with functions that answer in a known way: what is asked, kept and taken up again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lwm_trainer.evaluation.run_suite import Answer, run_suite
from lwm_trainer.evaluation.suite import Key, Question, SuiteError, Way, sample_keys
from support.letter_tokens import text_of, tokenize


class Echo:
    """Asks for a number that the prompt says."""

    name, version, answer_tokens, stop = "echo", 1, 4, ()
    ways: tuple[Way, ...] = ("generated", "forced", "likeliest")

    def __init__(self, samples: int = 3) -> None:
        self.samples = samples

    def settings(self) -> dict[str, Any]:
        return {"samples": self.samples, "lengths": (8, 16)}

    def question_keys(self) -> Sequence[Key]:
        return sample_keys((8, 16), ("a", "b"), self.samples)

    def question(self, key: Key) -> Question:
        text = str(key.number)
        choices = ("0", "1", "2")
        return Question(
            prompt=tokenize(f"say {text}"),
            expected=(text,),
            chance=0.1,
            reference=text,
            choices=choices,
            details={"length": key.length},
        )

    def score(self, expected: Sequence[str], answer: str) -> float:
        return float(answer == expected[0]) or 0.5 * answer.isdigit()


class Reader:
    """Reads the number, but knows no 1."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def __call__(self, question: Question) -> str:
        self.prompts.append(text_of(question.prompt))
        return self.prompts[-1][-1].replace("1", "7")


def run(suite: Echo, ask: Reader, results: Path, way: Way = "generated") -> list[Answer]:
    return list(run_suite(suite, "model", way, ask, results))


def test_answers_are_scored_and_come_with_their_keys(tmp_path: Path) -> None:
    answers = run(Echo(), Reader(), tmp_path / "answers")
    assert [answer.key for answer in answers] == Echo().question_keys()
    assert [answer.score for answer in answers] == [1, 0.5, 1] * 4
    assert {answer.chance for answer in answers} == {0.1}
    assert answers[0].details == {"length": 8}


def test_an_interrupted_suite_asks_only_what_is_missing_and_ends_the_same(tmp_path: Path) -> None:
    whole = run(Echo(), Reader(), tmp_path / "whole")
    lines = (tmp_path / "whole").read_text().splitlines(keepends=True)
    (tmp_path / "torn").write_text("".join(lines[:6]) + lines[6][:20])
    rest = Reader()
    assert run(Echo(), rest, tmp_path / "torn") == whole
    assert len(rest.prompts) == 12 - 5
    assert (tmp_path / "torn").read_text() == (tmp_path / "whole").read_text()


def test_results_of_another_run_and_lines_that_are_no_answers_are_refused(tmp_path: Path) -> None:
    run(Echo(), Reader(), tmp_path / "answers")
    with pytest.raises(SuiteError, match="another checkpoint or other settings"):
        run(Echo(samples=2), Reader(), tmp_path / "answers")
    with pytest.raises(SuiteError, match="another checkpoint or other settings"):
        run(Echo(), Reader(), tmp_path / "answers", "forced")
    lines = (tmp_path / "answers").read_text().splitlines(keepends=True)
    for bad, message in (("{}\n", r"answers:3: is no result of this suite"), ("{\n", r"answers:3: is not JSON")):
        (tmp_path / "answers").write_text("".join([*lines[:2], bad]))
        with pytest.raises(SuiteError, match=message):
            run(Echo(), Reader(), tmp_path / "answers")
    assert json.loads(lines[0])["suite"] == "echo"


def test_a_choice_is_right_or_wrong_and_its_chance_is_that_of_the_choices(tmp_path: Path) -> None:
    answers = run(Echo(), Reader(), tmp_path / "answers", "likeliest")
    assert [answer.score for answer in answers[:3]] == [1, 0, 1]
    assert {answer.chance for answer in answers} == {1 / 3}


@pytest.mark.parametrize("way", ["forced", "likeliest"])
def test_a_way_that_the_suite_has_not_is_refused_before_anything_is_asked(tmp_path: Path, way: Way) -> None:
    reader, suite = Reader(), Echo()
    suite.ways = ("generated",)
    with pytest.raises(SuiteError, match=f"--answers {way}: echo cannot be answered so: use generated"):
        run(suite, reader, tmp_path / "answers", way)
    assert reader.prompts == []
