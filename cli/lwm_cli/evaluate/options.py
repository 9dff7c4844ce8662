"""Options that the suites share, and how they are read."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import click
import numpy as np

from lwm_cli.generation_options import checkpoint_options
from lwm_trainer.evaluation.haystack import Texts, open_texts
from lwm_trainer.evaluation.suite import Way
from lwm_trainer.storage.absolute import absolute_uri

Function = TypeVar("Function", bound=Callable[..., Any])


class Settings(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


SettingsOf = TypeVar("SettingsOf", bound=Settings)

HELP_OF_WAYS: dict[Way, str] = {
    "generated": "the most probable text",
    "forced": "right where every token of the right text is the most probable one",
    "likeliest": "the likeliest of the suite's choices",
}


def suite_options(ways: Sequence[Way]) -> Callable[[Function], Function]:
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


def take_settings(kind: type[SettingsOf], options: dict[str, Any]) -> SettingsOf:
    """A suite's settings out of the options of the same names, which are taken out of them. Raises UsageError and SuiteError."""
    names = [field.name for field in fields(kind) if field.name in options]
    return kind(**{name: READERS.get(name, lambda value: value)(options.pop(name)) for name in names})


def even_depths(count: int) -> tuple[float, ...]:
    """So many depths from 0 to 1; a single one is in the middle."""
    return tuple(np.linspace(0, 1, count).round(4).tolist()) if count > 1 else (0.5,)


def parse_lengths(text: str) -> tuple[int, ...]:
    """`1024,4096` as numbers, ascending. Raises UsageError."""
    return tuple(sorted(set(parse_numbers("--lengths", text, "tokens"))))


def parse_numbers(option: str, text: str, noun: str) -> tuple[int, ...]:
    """Numbers with commas between. Raises UsageError."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise click.UsageError(f"{option} {text}: write numbers of {noun} with commas between, such as 1024,4096")
    return tuple(int(part) for part in parts)


def parse_names(text: str) -> tuple[str, ...]:
    """Names with commas between, each once."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def take_settings_and_texts(kind: type[SettingsOf], options: dict[str, Any]) -> tuple[SettingsOf, Texts]:
    """As `take_settings`, with the texts of --haystack, none where it is not given. Raises also what `open_texts` raises."""
    haystack, field = options["haystack"], options["haystack_field"]
    settings = take_settings(kind, options)
    return settings, open_texts(absolute_uri(haystack), field) if haystack is not None else lambda: iter(())


READERS: dict[str, Callable[[Any], Any]] = {
    "lengths": parse_lengths,
    "depths": even_depths,
    "tasks": parse_names,
    "needles": lambda text: parse_numbers("--needles", text, "turns"),
    "haystack": lambda place: "" if place is None else place,
    "questions": lambda path: "" if path is None else str(path),
}
"""How the value of an option becomes the setting of its name; the others are taken as they are."""
