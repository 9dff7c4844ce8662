"""`lwm eval`: what a model finds in long contexts."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np

from lwm_cli.commands import run
from lwm_cli.failures import report_failures
from lwm_cli.generation_options import checkpoint_options, find_checkpoint, take_generator
from lwm_trainer.config.extras import require_extra
from lwm_trainer.evaluation.binomial import wilson_interval
from lwm_trainer.evaluation.needle_map import draw_needle_map
from lwm_trainer.evaluation.needle_suite import ANSWER_TOKENS, Cell, NeedleSettings, Question, cells, chance, run_needles
from lwm_trainer.evaluation.needles import Tokens
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.prompt import join, text_row
from lwm_trainer.sampling.row_arrays import Request
from lwm_trainer.sampling.settings import Filters, Settings

TEXT_SUFFIXES = (".txt", ".md")


@click.group("eval")
def group() -> None:
    """Evaluate the model in a checkpoint, which is what `lwm sample` takes."""


@group.command("needle")
@checkpoint_options
@click.option("--haystack", required=True, type=click.Path(path_type=Path, exists=True), help="A text file, or a folder of .txt files.")
@click.option("--lengths", required=True, metavar="N,…", help="Tokens of prompt and answer, such as 1024,4096.")
@click.option("--depths", type=click.IntRange(1), default=10, show_default=True, help="Depths from 0 to 100 %, evenly spaced.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Texts and needles for each length.")
@click.option("--preset", type=click.Choice(["clean", "lwm"]), default="clean", show_default=True, help="Prompts; lwm: those of LWM.")
@click.option("--single", is_flag=True, help="One needle in each haystack, as in LWM: a prefill for each question.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same needles.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of results; goes on with its own.")
@report_failures
def needle(haystack: Path, lengths: str, depths: int, rounds: int, single: bool, seed: int, out: Path, **options: Any) -> int:
    """Hide numbers in a text, and ask for them: a table, a picture, and every answer as a line of JSON."""
    require_extra("lwm eval needle", "fit", "matplotlib")
    subject = find_checkpoint(options["checkpoint"], options["stage"]).weights.place
    settings = NeedleSettings(
        lengths=parse_lengths(lengths),
        depths=tuple(np.linspace(0, 1, depths).round(4).tolist()) if depths > 1 else (0.5,),
        rounds=rounds,
        preset=options.pop("preset"),
        single=single,
        seed=seed,
    )
    generator = take_generator(options, reserve=False)
    if (longest := max(settings.lengths)) > generator.context_length:
        raise click.UsageError(f"--lengths: {longest} tokens are more than the model's context of {generator.context_length}")
    out.mkdir(parents=True, exist_ok=True)

    def tokenize(text: str) -> Tokens:
        return generator.vocabulary.encode(text).tokens

    total = len(settings.lengths) * depths * rounds
    questions: list[Question] = []
    for question in run_needles(settings, subject, lambda: read_texts(haystack), tokenize, make_ask(generator), out / "answers.jsonl"):
        questions.append(question)
        print(f"\r{len(questions)} of {total} questions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    by_cell = cells(questions)
    draw_needle_map(by_cell, f"needles, {settings.preset}, {'one' if single else 'all'} in a haystack", out / "needles.png")
    (out / "needles.json").write_text(json.dumps({"chance": chance(), "cells": [cell._asdict() for cell in by_cell]}, indent=1))
    print(table(by_cell))
    print(f"{out}/needles.png, needles.json, answers.jsonl")
    return 0


def make_ask(generator: Generator) -> Callable[[Tokens], str]:
    """A function that answers a prompt with the most probable tokens; a prompt that begins as the last one did computes only the rest."""
    vocabulary = generator.vocabulary
    settings = Settings(max_tokens=ANSWER_TOKENS, text=Filters(temperature=0), stop=("\n",), stop_ids=(vocabulary.end_id,), may_show=False)

    def ask(prompt: Tokens) -> str:
        request = Request(join(vocabulary.begin(), text_row(prompt)), settings)
        return "".join(piece.text for pieces in generator.generate([request]) for piece in pieces)

    return ask


def read_texts(haystack: Path) -> Iterator[str]:
    """The texts of a file or of the files of a folder, in the order of their names. Raises UsageError."""
    files = [haystack] if haystack.is_file() else sorted(path for path in haystack.iterdir() if path.suffix in TEXT_SUFFIXES)
    if not files:
        raise click.UsageError(f"--haystack {haystack}: no file there ends in {' or '.join(TEXT_SUFFIXES)}")
    for file in files:
        try:
            yield file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise click.UsageError(f"--haystack {file}: byte {error.start} is not UTF-8: save it as UTF-8") from error


def parse_lengths(text: str) -> tuple[int, ...]:
    """`1024,4096` as numbers, ascending. Raises UsageError."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise click.UsageError(f"--lengths {text}: write numbers of tokens with commas between, such as 1024,4096")
    return tuple(sorted({int(part) for part in parts}))


def table(by_cell: list[Cell]) -> str:
    """A line for each length: its share of right answers with the 95 % interval, and right of asked by depth."""
    lines = [f"{'tokens':>10}  {'correct':>19}  correct/questions by depth"]
    for length in sorted({cell.length for cell in by_cell}):
        row = [cell for cell in by_cell if cell.length == length]
        correct, count = sum(cell.correct for cell in row), sum(cell.questions for cell in row)
        low, high = wilson_interval(correct, count)
        share = f"{100 * correct / count:.0f} % [{100 * low:.0f}-{100 * high:.0f}]"
        lines.append(f"{length:>10,}  {share:>19}  " + " ".join(f"{cell.correct}/{cell.questions}" for cell in row))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    return run(group, "lwm eval", arguments)
