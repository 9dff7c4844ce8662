"""What the answers of a suite add up to: cells with counts and intervals, a table, and a file that comparisons of lm_eval read."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lwm_trainer.evaluation.binomial import wilson_interval
from lwm_trainer.evaluation.run_suite import Answer
from lwm_trainer.evaluation.suite import Suite, Way

RESULTS = "results.json"


class Cell(NamedTuple):
    """All answers of a length and variant, and of a depth where there are depths."""

    variant: str
    length: int
    depth: float | None
    questions: int
    right: int
    """Answers whose score is 1."""
    score: float
    """The mean score, 0 to 1."""
    low: float
    """The 95 % interval of the mean score."""
    high: float
    chance: float
    """The mean score of a guess."""

    @property
    def right_of_asked(self) -> str:
        """Right answers and questions; where answers may be half right, the sum of their scores in place of the former."""
        total = self.score * self.questions
        return f"{self.right}/{self.questions}" if abs(total - self.right) < 1e-9 else f"{total:.1f}/{self.questions}"


def cells(answers: Sequence[Answer], *, by_depth: bool) -> list[Cell]:
    """The answers by variant, length and, where it is asked for, depth; variants in the order of their first answer."""
    groups: dict[tuple[str, int, float | None], list[Answer]] = {}
    for answer in answers:
        key = answer.key
        groups.setdefault((key.variant, key.length, key.depth if by_depth else None), []).append(answer)
    variants = list(dict.fromkeys(variant for variant, _, _ in groups))
    ordered = sorted(groups, key=lambda key: (variants.index(key[0]), key[1], -1 if key[2] is None else key[2]))
    return [_cell(*key, groups[key]) for key in ordered]


def _cell(variant: str, length: int, depth: float | None, answers: Sequence[Answer]) -> Cell:
    total, count = math.fsum(answer.score for answer in answers), len(answers)
    right = sum(answer.score == 1 for answer in answers)
    chance = math.fsum(answer.chance for answer in answers) / count
    return Cell(variant, length, depth, count, right, total / count, *wilson_interval(total, count), chance)


def overall(answers: Sequence[Answer]) -> tuple[float, float, float]:
    """The mean score of all answers, and its 95 % interval."""
    total = math.fsum(answer.score for answer in answers)
    return total / len(answers), *wilson_interval(total, len(answers))


def chance_text(chance: float) -> str:
    """A chance level in percent."""
    return f"{100 * chance:.3g} %" if chance >= 0.0001 or not chance else "< 0.01 %"


def table(answers: Sequence[Answer]) -> str:
    """A line for each variant and length: the mean score with its 95 % interval, the chance level, and right of asked, by depth if any."""
    rows = [("", "tokens", "score", "chance", "right/asked")]
    for row in cells(answers, by_depth=False):
        by_depth = [cell for cell in cells(answers, by_depth=True) if (cell.variant, cell.length) == (row.variant, row.length)]
        share = f"{100 * row.score:.0f} % [{100 * row.low:.0f}-{100 * row.high:.0f}]"
        counts = " ".join(f"{cell.right}/{cell.questions}" for cell in by_depth)
        rows.append((row.variant, f"{row.length:,}", share, chance_text(row.chance), counts))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([variant.ljust(widths[0]), *(text.rjust(width) for text, width in zip(middle, widths[1:4], strict=True)), counts])
        for variant, *middle, counts in rows
    ]
    return "\n".join(line.strip() if not widths[0] else line.rstrip() for line in lines)


def results(suite: Suite, subject: str, way: Way, answers: Sequence[Answer]) -> dict[str, Any]:
    """The results in the form of lm_eval's `results_….json`, one task for each variant and length, and our `cells` beside."""
    by_task = {_task(suite.name, cell): cell for cell in cells(answers, by_depth=False)}
    settings = {**suite.settings(), "answers": way}
    return {
        "results": {
            task: {
                "alias": task,
                "score,none": cell.score,
                "score_stderr,none": _standard_error(answers, cell),
                "chance,none": cell.chance,
            }
            for task, cell in by_task.items()
        },
        "group_subtasks": {task: [] for task in by_task},
        "configs": {task: {"task": task, "metadata": {"version": suite.version, **settings}} for task in by_task},
        "versions": dict.fromkeys(by_task, suite.version),
        "n-shot": dict.fromkeys(by_task, 0),
        "higher_is_better": {task: {"score": True} for task in by_task},
        "n-samples": {task: {"original": cell.questions, "effective": cell.questions} for task, cell in by_task.items()},
        "config": {"model": "lwm", "model_args": subject},
        "suite": suite.name,
        "cells": [cell._asdict() for cell in cells(answers, by_depth=True)],
    }


def write_results(folder: Path, suite: Suite, subject: str, way: Way, answers: Sequence[Answer]) -> None:
    """Write `results.json` into the folder."""
    (folder / RESULTS).write_text(json.dumps(results(suite, subject, way, answers), indent=1) + "\n", encoding="utf-8")


def _task(suite: str, cell: Cell) -> str:
    return "_".join([suite, *([cell.variant] if cell.variant else []), str(cell.length)]).replace(" ", "_")


def _standard_error(answers: Sequence[Answer], cell: Cell) -> float:
    """The sample's standard deviation by the root of its size, as lm_eval has it; 0 for one answer."""
    scores = [answer.score for answer in answers if (answer.key.variant, answer.key.length) == (cell.variant, cell.length)]
    if len(scores) < 2:
        return 0.0
    return math.sqrt(math.fsum((score - cell.score) ** 2 for score in scores) / (len(scores) - 1) / len(scores))
