"""One evaluation: load the model, ask a suite's questions, write and print what came of it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lwm_cli.evaluate.ask import make_ask
from lwm_cli.generation_options import take_checkpoint, take_generator
from lwm_trainer.config.extras import require_extra
from lwm_trainer.evaluation.heat_map import draw_heat_map
from lwm_trainer.evaluation.results import RESULTS, cells, table, write_results
from lwm_trainer.evaluation.run_suite import Answer, Way, run_suite
from lwm_trainer.evaluation.suite import Suite, Tokenize, Tokens

ANSWERS, HEAT_MAP = "answers.jsonl", "heat_map.png"


def evaluate(make_suite: Callable[[Tokenize], Suite], lengths: tuple[int, ...], out: Path, way: Way, options: dict[str, Any]) -> int:
    """Run the suite on the checkpoint of the options. Returns the exit code.

    Args:
        make_suite: the suite for the model's tokenizer.
        lengths: those of the suite, which must fit into the model's context.
        options: those of `checkpoint_options`.

    Raises UsageError, SuiteError, and what loading raises.
    """
    require_extra("lwm eval", "fit", "matplotlib")
    source = take_checkpoint(options)
    if (longest := max(lengths)) > (context := options["context"] or source.weights.context_length):
        raise click.UsageError(f"--lengths: {longest} tokens are more than the model's context of {context}")
    generator = take_generator(options, reserve=False, source=source)

    def tokenize(text: str) -> Tokens:
        return generator.vocabulary.encode(text).tokens

    suite = make_suite(tokenize)
    out.mkdir(parents=True, exist_ok=True)
    total = len(suite.question_keys())
    answers: list[Answer] = []
    for answer in run_suite(suite, source.weights.place, way, make_ask(generator, suite, way), out / ANSWERS):
        answers.append(answer)
        print(f"\r{len(answers)} of {total} questions", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    draw_heat_map(cells(answers, by_depth=True), f"{suite.name}, {way}", out / HEAT_MAP)
    write_results(out, suite, source.weights.place, way, answers)
    print(table(answers))
    print(f"{out}/{HEAT_MAP}, {RESULTS}, {ANSWERS}")
    return 0
