"""One evaluation: load the model, ask a suite's questions, write and print what came of it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lwm_cli.generation_options import take_checkpoint, take_generator
from lwm_trainer import config
from lwm_trainer.evaluation.ask import make_ask
from lwm_trainer.evaluation.heat_map import HEAT_MAP, draw_heat_map
from lwm_trainer.evaluation.results import RESULTS, cells, table, write_results
from lwm_trainer.evaluation.run_suite import Answer, run_suite
from lwm_trainer.evaluation.suite import Suite, Way
from lwm_trainer.sampling.vocabulary import Vocabulary

ANSWERS = "answers.jsonl"


def evaluate(
    make_suite: Callable[[Vocabulary], Suite],
    lengths: tuple[int, ...],
    out: Path,
    way: Way,
    options: dict[str, Any],
    frames: config.Frames | None = None,
) -> int:
    """Run the suite on the checkpoint of the options. Returns the exit code.

    Args:
        make_suite: the suite for the model's vocabulary.
        lengths: those of the suite, which must fit into the model's context.
        options: those of `checkpoint_options`.
        frames: the layout of frames where neither options nor checkpoint name it.

    Raises UsageError, SuiteError, and what loading raises.
    """
    source = take_checkpoint(options)
    if (longest := max(lengths)) > (context := options["context"] or source.weights.context_length):
        raise click.UsageError(f"--lengths: {longest} tokens are more than the model's context of {context}")
    generator = take_generator(options, reserve=False, frames=frames, source=source)
    suite = make_suite(generator.vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    total = len(suite.question_keys())
    answers: list[Answer] = []
    for answer in run_suite(suite, source.weights.place, way, make_ask(generator, suite, way), out / ANSWERS):
        answers.append(answer)
        print(f"\r{len(answers)} of {total} questions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    (out / HEAT_MAP).write_text(draw_heat_map(cells(answers, by_depth=True), f"{suite.name}, {way}"), encoding="utf-8")
    write_results(out, suite, source.weights.place, way, answers)
    print(table(answers))
    print(f"{out}/{HEAT_MAP}, {RESULTS}, {ANSWERS}")
    return 0
