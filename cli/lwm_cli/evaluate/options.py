"""How the options of the suites become their settings."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, Protocol, TypeVar

import click

from lwm_trainer.evaluation.haystack import Texts, open_texts
from lwm_trainer.evaluation.suite import even_depths
from lwm_trainer.storage.absolute import absolute_uri


class Settings(Protocol):
    """A dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


SettingsOf = TypeVar("SettingsOf", bound=Settings)


def take_settings(kind: type[SettingsOf], options: dict[str, Any]) -> SettingsOf:
    """A suite's settings out of the options of the same names, which are taken out of them. Raises UsageError and SuiteError."""
    names = [field.name for field in fields(kind) if field.name in options]
    return kind(**{name: READERS.get(name, lambda value: value)(options.pop(name)) for name in names})


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
