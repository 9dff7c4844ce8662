"""Results of `lwm eval` as a report shows them, from the files that it wrote."""

import json
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lwm_trainer.evaluation.binomial import wilson_interval
from lwm_trainer.evaluation.results import RESULTS, Cell, chance_text
from lwm_trainer.report.contents import Evaluation, Line, MapCell, ScoreMap
from lwm_trainer.report.curves import position_curve

NO_OPTIONS = ("version", "variants")
"""Settings that are no options of the command."""


class ResultsError(Exception):
    """A file of results cannot be read: names it and the fix."""


def read_evaluations(folders: Sequence[Path]) -> list[Evaluation]:
    """The results in the folders and below them, in the order of their paths.

    Raises ResultsError where a folder has none, or for a file that `lwm eval` did not write.
    """
    read = []
    for folder in folders:
        files = sorted(folder.rglob(RESULTS)) if folder.is_dir() else []
        if not files:
            raise ResultsError(f"--evals {folder}: no {RESULTS} is there or below: give a folder that lwm eval wrote by --out")
        read += [_read(file) for file in files]
    return read


def _read(file: Path) -> Evaluation:
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))
        return evaluation_of(fields, str(file.parent))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{file}: cannot be read as results of lwm eval ({type(error).__name__}: {error}): run it again") from error


def evaluation_of(fields: dict[str, Any], place: str) -> Evaluation:
    """The content of a file of results, which lies in the folder `place`. Raises KeyError and TypeError for anything else."""
    return _perplexity(place, fields) if fields["suite"] == "perplexity" else _suite(place, fields)


def _suite(place: str, fields: dict[str, Any]) -> Evaluation:
    cells = [Cell(**cell) for cell in fields["cells"]]
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.variant, cell.length), []).append(cell)
    return Evaluation(
        title=fields["suite"],
        place=place,
        subject=fields["config"]["model_args"],
        lines=tuple(_line(variant, length, group) for (variant, length), group in groups.items()),
        map=_score_map(cells) if len(cells) > len(groups) or _is_grid(groups) else None,
        settings=_settings(fields),
        command=_command(fields, place),
    )


def _is_grid(groups: Collection[tuple[str, int]]) -> bool:
    """Whether there are several variants and several lengths, so that a map says more than the lines."""
    return all(len(set(names)) > 1 for names in zip(*groups, strict=True))


def _line(variant: str, length: int, group: Sequence[Cell]) -> Line:
    questions = sum(cell.questions for cell in group)
    total = sum(cell.score * cell.questions for cell in group)
    low, high = wilson_interval(min(total, questions), questions)
    chance = sum(cell.chance * cell.questions for cell in group) / questions
    return Line(
        name=" ".join(filter(None, [variant, f"{length:,} tokens"])),
        score=f"{100 * total / questions:.0f} %",
        interval=f"{100 * low:.0f} to {100 * high:.0f} %",
        chance=chance_text(chance),
        questions=f"{sum(cell.right for cell in group)} of {questions}",
    )


def _score_map(cells: Sequence[Cell]) -> ScoreMap:
    lengths = sorted({cell.length for cell in cells})
    keys = list(dict.fromkeys((cell.variant, cell.depth) for cell in cells))
    by_place = {(cell.variant, cell.depth, cell.length): cell for cell in cells}
    rows = []
    for variant, depth in keys:
        name = " ".join(filter(None, [variant, "" if depth is None else f"{100 * depth:.0f} %"]))
        in_row = [by_place.get((variant, depth, length)) for length in lengths]
        rows.append((name, tuple(None if cell is None else _map_cell(cell) for cell in in_row)))
    return ScoreMap(tuple(f"{length:,}" for length in lengths), tuple(rows))


def _map_cell(cell: Cell) -> MapCell:
    score, low, high = (f"{100 * value:.0f}" for value in (cell.score, cell.low, cell.high))
    return MapCell(cell.right_of_asked, round(100 * cell.score, 1), f"mean score {score} %, 95 % interval {low} to {high} %")


def _perplexity(place: str, fields: dict[str, Any]) -> Evaluation:
    buckets, figures = fields["buckets"], fields["results"]["perplexity"]
    curve = position_curve([(((row["first"] + 1) * (row["last"] + 1)) ** 0.5, row["loss"], row["low"], row["high"]) for row in buckets])
    return Evaluation(
        title="perplexity",
        place=place,
        subject=fields["config"]["model_args"],
        curve=curve,
        summary=(
            f"{figures['loss,none']:.4f} nats per token, a perplexity of {figures['token_perplexity,none']:,.2f}, over "
            f"{fields['tokens']:,} tokens in {fields['n-samples']['perplexity']['effective']:,} documents."
        ),
        settings=_settings(fields),
        command=_command(fields, place),
    )


def _settings(fields: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The settings of the suite; they are the same for all of its tasks."""
    return tuple((name, _shown(value)) for name, value in _metadata(fields).items())


def _metadata(fields: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = next(iter(fields["configs"].values()))["metadata"]
    return metadata


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _command(fields: dict[str, Any], out: str) -> str:
    """The command of the suite; its options are named as its settings."""
    words = ["lwm eval", fields["suite"], shlex.quote(fields["config"]["model_args"])]
    for name, value in _metadata(fields).items():
        if name in NO_OPTIONS or value is False or value == "":
            continue
        option = f"--{name.replace('_', '-')}"
        shown = str(len(value)) if name == "depths" else _shown(value)
        words.append(option if value is True else f"{option} {shlex.quote(shown)}")
    return " ".join([*words, f"--out {shlex.quote(out)}"])
