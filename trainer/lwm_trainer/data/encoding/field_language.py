"""LWM's field language: which fields of a record make an example, in which order, and which of them count in the loss.

A field line lists fields, separated by commas. A field is the name of one of the record's texts, or several names joined by `+`, whose
texts are joined by a space and tokenized as one; the tokens of different fields just follow each other. `[name]` is a field that does not
count in the loss. `<|bos|>` and `<|eos|>` are the tokens themselves. In data sets of kind vision, a name that contains `vision` is a list
of codes (see `lwm_trainer.data.encoding.vision`). Every example begins with `<s>`, which never counts, and ends with `</s>`, which does.

The language is that of VisionTextProcessor and TextProcessor in LWM's lwm/data.py. What these silently misread is refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lwm_trainer.data.records.record import BadRecordError

BOS, EOS = "<|bos|>", "<|eos|>"


class FieldLineError(ValueError):
    """What is wrong with a field line, in which column (from 1), and the fix."""


@dataclass(frozen=True, slots=True)
class Field:
    """Names that are joined to one text, or the name of a visual field, or `<|bos|>` or `<|eos|>`."""

    names: tuple[str, ...]
    in_loss: bool = True
    visual: bool = False

    @property
    def token(self) -> str | None:
        """`<|bos|>` or `<|eos|>` when the field is that token, else None."""
        return self.names[0] if self.names[0] in (BOS, EOS) else None


@lru_cache(maxsize=1024)
def parse(line: str, *, vision: bool = False) -> tuple[Field, ...]:
    """Parse a field line; with `vision`, names that contain `vision` hold codes. Raises FieldLineError."""
    fields = []
    column = 1
    for text in line.split(","):
        fields.append(_parse_field(line, text, column, vision))
        column += len(text) + 1
    return tuple(fields)


def _parse_field(line: str, text: str, column: int, vision: bool) -> Field:
    opened, closed = text.startswith("["), text.endswith("]")
    if opened != closed:
        missing = "] is missing" if opened else "[ is missing"
        raise _error(line, column, f"{missing} in {text!r}: bracket each field by itself, as in [a],[b]")
    joined = text[1:-1] if opened and len(text) > 1 else text
    column += opened
    names = []
    for name in joined.split("+"):
        _check_name(line, name, column, alone=name == joined)
        names.append(name)
        column += len(name) + 1
    visual = vision and any("vision" in name for name in names)
    if visual and len(names) > 1:
        raise _error(line, column - len(joined) - 1, f"{joined!r} joins vision codes with text: separate them by a comma")
    return Field(tuple(names), in_loss=not opened, visual=visual)


def _check_name(line: str, name: str, column: int, *, alone: bool) -> None:
    if not name.strip():
        raise _error(line, column, "a name is missing: write one or leave the separator out")
    if name != name.strip():
        raise _error(line, column, f"a space beside {name.strip()!r}: leave it out")
    if "[" in name or "]" in name:
        raise _error(line, column, f"a bracket inside {name!r}: brackets stand around a whole field, as in [a+b]")
    if name.startswith("<|") and (name not in (BOS, EOS) or not alone):
        raise _error(line, column, f"{name!r} is not a field: only {BOS} and {EOS} may be, each by itself")


def _error(line: str, column: int, problem: str) -> FieldLineError:
    return FieldLineError(f"field line {line!r}, column {column}: {problem}")


def field_text(field: Field, record: Mapping[str, Any]) -> str:
    """The text of a field: the texts of its names, joined by a space. Raises BadRecordError."""
    return " ".join(_text(name, record) for name in field.names)


def _text(name: str, record: Mapping[str, Any]) -> str:
    value = field_value(name, record)
    if not isinstance(value, str):
        raise BadRecordError(f"field {name!r} holds {json_type(value)}, not text: write a string")
    return value


def field_value(name: str, record: Mapping[str, Any]) -> Any:
    """The record's value under a name. Raises BadRecordError when there is none."""
    if name not in record:
        names = ", ".join(map(repr, sorted(record)[:8])) or "nothing"
        raise BadRecordError(f"field {name!r} is missing (the record has {names}): add it or correct the fields of the data set")
    return record[name]


def json_type(value: object) -> str:
    """The type of a record's value in the words of JSON, with an article."""
    if isinstance(value, list) and not value:
        return "an empty list"
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
        bytes: "bytes",
    }
    return names.get(type(value), f"a {type(value).__name__}")
