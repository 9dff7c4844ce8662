"""Options that the suites of `lwm eval` share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from lwm_cli.commands.generation_options import checkpoint_options

Function = TypeVar("Function", bound=Callable[..., Any])

HELP_OF_WAYS: dict[str, str] = {
    "generated": "the most probable text",
    "forced": "right where every token of the right text is the most probable one",
    "likeliest": "the likeliest of the suite's choices",
}


def suite_options(ways: Sequence[str]) -> Callable[[Function], Function]:
    """Add the argument CHECKPOINT and the options of every suite; `ways` are those in which its questions can be answered."""

    def add(function: Function) -> Function:
        for option in reversed(
            (
                click.option("--lengths", required=True, metavar="N,…", help="Tokens of prompt and answer, such as 1024,4096."),
                click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same questions."),
                click.option(
                    "--answers",
                    type=click.Choice(ways),
                    default=ways[0],
                    show_default=True,
                    help="; ".join(f"{way}: {HELP_OF_WAYS[way]}" for way in ways) + ".",
                ),
                click.option(
                    "--out",
                    required=True,
                    type=click.Path(path_type=Path, file_okay=False),
                    help="Folder of results; goes on with its own after an interruption.",
                ),
            )
        ):
            function = option(function)
        return checkpoint_options(function)

    return add


def samples_option(noun: str) -> Callable[[Function], Function]:
    """Add --samples; `noun` is what a cell has so many of."""
    return click.option("--samples", type=click.IntRange(1), default=10, show_default=True, help=f"{noun} for each cell.")


def depth_options(noun: str) -> Callable[[Function], Function]:
    """Add --depths and --rounds; `noun` is what there are so many of for each length."""

    def add(function: Function) -> Function:
        function = click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help=f"{noun} for each length.")(function)
        depths = click.option("--depths", type=click.IntRange(1), default=10, show_default=True, help="Depths from 0 to 100 %, evenly.")
        return depths(function)

    return add


def haystack_options(*, required: bool) -> Callable[[Function], Function]:
    """Add --haystack and --haystack-field."""

    def add(function: Function) -> Function:
        field = click.option("--haystack-field", default="text", show_default=True, help="Field of JSON lines or tables with the text.")
        where = "A file or folder of texts: .txt, .jsonl, .parquet or .arrow, as for data sets; a path or gs://…"
        return click.option("--haystack", required=required, metavar="PATH", help=where)(field(function))

    return add
