"""`lwm eval SUITE CHECKPOINT`: what a model does with long contexts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lwm_cli.commands.evaluation_options import depth_options, haystack_options, samples_option, suite_options
from lwm_cli.commands.failures import report_failures
from lwm_cli.commands.generation_options import checkpoint_options
from lwm_cli.commands.positive_number import POSITIVE_NUMBER
from lwm_cli.commands.run import needs

preset_option = click.option(
    "--preset", type=click.Choice(["clean", "lwm"]), default="clean", show_default=True, help="Prompts; lwm: those of LWM."
)


@click.group("eval", short_help="What a trained model does with long contexts: needles, RULER, MRCR and others.")
def evaluation() -> None:
    """Evaluate the model in a checkpoint, which is what `lwm sample` takes."""


def _suite(function: Callable[..., int]) -> Callable[..., int]:
    """What every suite needs, and how it fails."""
    return needs("local", "jax", "orbax")(report_failures(function))


@evaluation.command("needle")
@suite_options(("generated", "forced"))
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
@_suite
def needle(**options: Any) -> int:
    """Hide facts in a text, and ask for each."""
    from lwm_cli.evaluate.suites import evaluate_needle

    return evaluate_needle(**options)


@evaluation.command("multi-needle")
@suite_options(("generated",))
@haystack_options(required=True)
@samples_option("Questions, each with a text of its own,")
@preset_option
@click.option("--placed", type=click.IntRange(1), default=4, show_default=True, help="Needles in a haystack.")
@click.option("--retrieved", type=click.IntRange(1), default=2, show_default=True, help="Needles that a question asks for.")
@_suite
def multi_needle(**options: Any) -> int:
    """Hide several numbers in a text, and ask for some of them at once."""
    from lwm_cli.evaluate.suites import evaluate_multi_needle

    return evaluate_multi_needle(**options)


@evaluation.command("json-kv")
@suite_options(("generated", "forced"))
@depth_options("Objects")
@_suite
def json_kv(**options: Any) -> int:
    """Ask for values of a JSON object of random keys and values."""
    from lwm_cli.evaluate.suites import evaluate_json_kv

    return evaluate_json_kv(**options)


@evaluation.command("mrcr")
@suite_options(("generated", "forced", "likeliest"))
@samples_option("Conversations")
@click.option("--needles", default="2,4,8", show_default=True, metavar="N,…", help="Turns with the same request, 2 to 8.")
@_suite
def mrcr(**options: Any) -> int:
    """Have the i-th of several answers to the same request repeated, from a long conversation."""
    from lwm_cli.evaluate.suites import evaluate_mrcr

    return evaluate_mrcr(**options)


@evaluation.command("ruler")
@suite_options(("generated",))
@haystack_options(required=False)
@samples_option("Questions")
@click.option("--tasks", metavar="NAME,…", help="Tasks of RULER, qa, vt_two_chains. Default: those of RULER that need no files of yours.")
@click.option("--questions", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Lines of JSON for the task `qa`.")
@_suite
def ruler(**options: Any) -> int:
    """RULER's tasks: retrieval, tracing of variables, counting of words, and questions about documents of yours."""
    from lwm_cli.evaluate.suites import evaluate_ruler

    return evaluate_ruler(**options)


@evaluation.command("graphwalks")
@suite_options(("generated",))
@samples_option("Graphs")
@click.option("--distance", type=int, default=2, show_default=True, help="Edges between a node and those that are asked for, 1 to 4.")
@_suite
def graphwalks(**options: Any) -> int:
    """Ask for nodes of a graph that is given by its edges."""
    from lwm_cli.evaluate.suites import evaluate_graphwalks

    return evaluate_graphwalks(**options)


@evaluation.command("babilong")
@suite_options(("generated", "forced", "likeliest"))
@haystack_options(required=True)
@samples_option("Stories")
@click.option("--tasks", metavar="NAME,…", help="Tasks of bAbI. Default: qa1,qa2,qa3.")
@_suite
def babilong(**options: Any) -> int:
    """Hide facts about people and things in a text, and ask what follows from one, two or three of them."""
    from lwm_cli.evaluate.suites import evaluate_babilong

    return evaluate_babilong(**options)


@evaluation.command("video-needle")
@suite_options(("generated", "forced", "likeliest"))
@depth_options("Parts of the film, and shapes,")
@click.option("--film", required=True, multiple=True, metavar="FILE", help="A picture or clip of the film. May be given again.")
@click.option("--vision-tokenizer", required=True, metavar="FILE", help="The tokenizer that made the codes of the model's training.")
@click.option("--clip-rate", type=POSITIVE_NUMBER, metavar="FPS", help="Frames of a second of a clip. Default: all.")
@_suite
@needs("vision", "av", "PIL")
def video_needle(**options: Any) -> int:
    """Put a colored shape into one frame of a film, and ask which."""
    from lwm_cli.evaluate.video_needle import evaluate_video_needle

    return evaluate_video_needle(**options)


@evaluation.command("perplexity")
@checkpoint_options
@click.option("--text", required=True, metavar="PATH", help="Documents that the model has not seen: files as for data sets.")
@click.option("--text-field", default="text", show_default=True, help="Field of JSON lines or tables with the text.")
@click.option("--length", type=click.IntRange(2), metavar="N", help="Positions of a document, at most. Default: the model's context.")
@click.option("--documents", type=click.IntRange(1), default=100, show_default=True, help="Documents, at most.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of results; goes on with its own.")
@_suite
@needs("fit", "matplotlib")
def perplexity(**options: Any) -> int:
    """Measure the loss of held-out documents by position."""
    from lwm_cli.evaluate.perplexity import evaluate_perplexity

    return evaluate_perplexity(**options)
