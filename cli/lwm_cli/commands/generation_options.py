"""Options of the commands that generate: which checkpoint on which devices, and how tokens are drawn."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lwm_cli.commands.positive_number import POSITIVE_NUMBER
from lwm_trainer.sampling.chunk_sizes import CHUNK

Function = TypeVar("Function", bound=Callable[..., Any])


def checkpoint_options(function: Function) -> Function:
    """Add the argument CHECKPOINT and the options of its loading."""
    for option in reversed(
        (
            click.argument("checkpoint"),
            click.option("--stage", metavar="NAME", help="Stage of a training whose newest commit is taken. Default: the last with one."),
            click.option("--tokenizer", metavar="FILE", help="The tokenizer.json of the model, where it does not lie with CHECKPOINT."),
            click.option("--mesh", metavar="AXIS=N,…", help="Axes of the devices, such as sp=4,tp=2. Default: all along the sequence."),
            click.option("--dtype", type=click.Choice(["float32", "bfloat16"]), help="Of parameters, activations and cache."),
            click.option("--context", type=int, metavar="N", help="Tokens of prompt and answer, at most. Default: those of the training."),
            click.option("--chunk", type=click.IntRange(1), default=CHUNK, show_default=True, help="Tokens of a prompt taken at once."),
            click.option(
                "--tokens-per-frame", type=click.IntRange(1), metavar="N", help="Codes of a frame. Default: the training's, or 256."
            ),
            click.option("--codebook-size", type=click.IntRange(1), metavar="N", help="Number of codes. Default: the training's, or 8192."),
        )
    ):
        function = option(function)
    return function


def filter_options(function: Function) -> Function:
    """Add the options of drawing tokens."""
    for modality in ("vision", "text"):
        prefix = "" if modality == "text" else "vision-"
        for option in reversed(
            (
                click.option(
                    f"--{prefix}temperature", type=float, default=1.0, show_default=True, help=f"Of {modality}; 0: most probable."
                ),
                click.option(f"--{prefix}top-k", type=int, default=0, help=f"Most probable tokens of {modality}, at most; 0: all."),
                click.option(f"--{prefix}top-p", type=float, default=1.0, help=f"Probability that {modality} tokens have together."),
                click.option(f"--{prefix}min-p", type=float, default=0.0, help=f"Share of the largest probability, of {modality}."),
            )
        ):
            function = option(function)
    return function


def draft_option(function: Function) -> Function:
    """Add the option of guesses."""
    text = "Tokens guessed at each step and checked together; answers are the same."
    return click.option("--draft-tokens", type=click.IntRange(0, 64), default=0, show_default=True, metavar="N", help=text)(function)


def media_options(function: Function) -> Function:
    """Add the options of pictures and clips."""
    for option in reversed(
        (
            click.option(
                "--vision-tokenizer", metavar="FILE", help="The tokenizer of `lwm vision` that made the codes of the model's training."
            ),
            click.option("--clip-rate", type=POSITIVE_NUMBER, metavar="FPS", help="Frames of a second of a clip. Default: all."),
            click.option(
                "--clip-frames", type=click.IntRange(1), metavar="N", help="Of more frames of a clip, N evenly spaced ones are taken."
            ),
        )
    ):
        function = option(function)
    return function
