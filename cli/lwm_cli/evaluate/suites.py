"""A command for each suite: its options become its settings."""

from pathlib import Path
from typing import Any

import click

from lwm_cli.evaluate.evaluation import evaluate, tokenizer_of
from lwm_cli.evaluate.options import depth_options, haystack_options, samples_option, suite_options, take_settings, take_settings_and_texts
from lwm_cli.failures import report_failures
from lwm_trainer.evaluation.suite import Way
from lwm_trainer.evaluation.suites.babilong import TASKS as BABILONG_TASKS
from lwm_trainer.evaluation.suites.babilong import BabilongSettings, BabilongSuite
from lwm_trainer.evaluation.suites.graphwalks import GraphwalksSettings, GraphwalksSuite
from lwm_trainer.evaluation.suites.json_kv import JsonKvSettings, JsonKvSuite
from lwm_trainer.evaluation.suites.mrcr import MrcrSettings, MrcrSuite
from lwm_trainer.evaluation.suites.multi_needle import MultiNeedleSettings, MultiNeedleSuite
from lwm_trainer.evaluation.suites.needle import NeedleSettings, NeedleSuite
from lwm_trainer.evaluation.suites.ruler.documents import read_entries
from lwm_trainer.evaluation.suites.ruler.suite import DEFAULT_TASKS, RulerSettings, RulerSuite

preset_option = click.option(
    "--preset", type=click.Choice(["clean", "lwm"]), default="clean", show_default=True, help="Prompts; lwm: those of LWM."
)


@click.command("needle")
@suite_options(NeedleSuite.ways)
@haystack_options(required=True)
@depth_options("Texts and needles")
@preset_option
@click.option(
    "--form",
    type=click.Choice(["numbers", "landmarks"]),
    default="numbers",
    show_default=True,
    help="Of needles; landmarks: they share no word with the question.",
)
@click.option("--single", is_flag=True, help="One needle in each haystack, as in LWM: a prefill for each question.")
@report_failures
def needle(answers: Way, out: Path, **options: Any) -> int:
    """Hide facts in a text, and ask for each."""
    settings, texts = take_settings_and_texts(NeedleSettings, options)
    return evaluate(lambda vocabulary: NeedleSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


@click.command("multi-needle")
@suite_options(MultiNeedleSuite.ways)
@haystack_options(required=True)
@samples_option("Questions, each with a text of its own,")
@preset_option
@click.option("--placed", type=click.IntRange(1), default=4, show_default=True, help="Needles in a haystack.")
@click.option("--retrieved", type=click.IntRange(1), default=2, show_default=True, help="Needles that a question asks for.")
@report_failures
def multi_needle(answers: Way, out: Path, **options: Any) -> int:
    """Hide several numbers in a text, and ask for some of them at once."""
    settings, texts = take_settings_and_texts(MultiNeedleSettings, options)
    return evaluate(lambda vocabulary: MultiNeedleSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


@click.command("json-kv")
@suite_options(JsonKvSuite.ways)
@depth_options("Objects")
@report_failures
def json_kv(answers: Way, out: Path, **options: Any) -> int:
    """Ask for values of a JSON object of random keys and values."""
    settings = take_settings(JsonKvSettings, options)
    return evaluate(lambda vocabulary: JsonKvSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


@click.command("mrcr")
@suite_options(MrcrSuite.ways)
@samples_option("Conversations")
@click.option("--needles", default="2,4,8", show_default=True, metavar="N,…", help="Turns with the same request, 2 to 8.")
@report_failures
def mrcr(answers: Way, out: Path, **options: Any) -> int:
    """Have the i-th of several answers to the same request repeated, from a long conversation."""
    settings = take_settings(MrcrSettings, options)
    return evaluate(lambda vocabulary: MrcrSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


@click.command("ruler")
@suite_options(RulerSuite.ways)
@haystack_options(required=False)
@samples_option("Questions")
@click.option("--tasks", default=",".join(DEFAULT_TASKS), show_default=True, metavar="NAME,…", help="Tasks of RULER, qa, vt_two_chains.")
@click.option("--questions", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Lines of JSON for the task `qa`.")
@report_failures
def ruler(answers: Way, out: Path, **options: Any) -> int:
    """RULER's tasks: retrieval, tracing of variables, counting of words, and questions about documents of yours."""
    settings, texts = take_settings_and_texts(RulerSettings, options)
    entries = read_entries(Path(settings.questions)) if settings.questions else []
    return evaluate(
        lambda vocabulary: RulerSuite(settings, texts, entries, tokenizer_of(vocabulary)), settings.lengths, out, answers, options
    )


@click.command("graphwalks")
@suite_options(GraphwalksSuite.ways)
@samples_option("Graphs")
@click.option("--distance", type=int, default=2, show_default=True, help="Edges between a node and those that are asked for, 1 to 4.")
@report_failures
def graphwalks(answers: Way, out: Path, **options: Any) -> int:
    """Ask for nodes of a graph that is given by its edges."""
    settings = take_settings(GraphwalksSettings, options)
    return evaluate(lambda vocabulary: GraphwalksSuite(settings, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


@click.command("babilong")
@suite_options(BabilongSuite.ways)
@haystack_options(required=True)
@samples_option("Stories")
@click.option("--tasks", default=",".join(BABILONG_TASKS), show_default=True, metavar="NAME,…", help="Tasks of bAbI.")
@report_failures
def babilong(answers: Way, out: Path, **options: Any) -> int:
    """Hide facts about people and things in a text, and ask what follows from one, two or three of them."""
    settings, texts = take_settings_and_texts(BabilongSettings, options)
    return evaluate(lambda vocabulary: BabilongSuite(settings, texts, tokenizer_of(vocabulary)), settings.lengths, out, answers, options)


SUITES = (needle, multi_needle, json_kv, mrcr, ruler, graphwalks, babilong)
