"""LWM's field language: which fields of a record make an example, in which order, and which of them count in the loss.

A line is fields with commas between. A field is the name of one of the record's texts, or several joined by `+`: these are joined by a
space and tokenised as one, while the tokens of different fields just follow each other. `[name]` is a field that does not count in the
loss. `<|bos|>` and `<|eos|>` are the tokens themselves. Where data sets are of kind vision, a name that contains `vision` is a list of
codes (see `lwm_trainer.data.encoding.vision`). Every example begins with `<s>`, which never counts, and ends with `</s>`, which does.

The language is that of VisionTextProcessor and TextProcessor in LWM's lwm/data.py; what these take silently for something else is
refused here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lwm_trainer.data.records.record import BadRecordError

BOS, EOS = "<|bos|>", "<|eos|>"


class FieldLineError(ValueError):
    """What is wrong with a field line, where (columns count from 1), and the fix."""


@dataclass(frozen=True, slots=True)
class Field:
    """Names that are joined to one text, or the name of a visual field, or `<|bos|>` or `<|eos|>`."""

    names: tuple[str, ...]
    loss: bool = True
    visual: bool = False

    @property
    def token(self) -> str | None:
        """`<|bos|>` or `<|eos|>` where the field is that, else None."""
        return self.names[0] if self.names[0] in (BOS, EOS) else None


def parse(line: str, *, vision: bool = False) -> tuple[Field, ...]:
    """The fields of a line. `vision`: names that contain `vision` hold codes. Raises FieldLineError."""
    found = []
    column = 1
    for written in line.split(","):
        found.append(_field(line, written, column, vision))
        column += len(written) + 1
    return tuple(found)


def _field(line: str, written: str, column: int, vision: bool) -> Field:
    opened, closed = written.startswith("["), written.endswith("]")
    if opened != closed:
        missing = "] is missing" if opened else "[ is missing"
        raise _error(line, column, f"{missing} in {written!r}: bracket each field by itself, as in [a],[b]")
    names = written[1:-1] if opened and len(written) > 1 else written
    column += opened
    found = []
    for name in names.split("+"):
        _check(line, name, column, alone=name == names)
        found.append(name)
        column += len(name) + 1
    visual = vision and any("vision" in name for name in found)
    if visual and len(found) > 1:
        raise _error(line, column - len(names) - 1, f"{names!r} joins vision codes with text: separate them by a comma")
    return Field(tuple(found), loss=not opened, visual=visual)


def _check(line: str, name: str, column: int, *, alone: bool) -> None:
    if not name.strip():
        raise _error(line, column, "a name is missing: write one or leave the separator out")
    if name != name.strip():
        raise _error(line, column, f"a space beside {name.strip()!r}: leave it out")
    if "[" in name or "]" in name:
        raise _error(line, column, f"a bracket inside {name!r}: brackets stand around a whole field, as in [a+b]")
    if name.startswith("<|") and (name not in (BOS, EOS) or not alone):
        raise _error(line, column, f"{name!r} is no field: only {BOS} and {EOS} may be, each by itself")


def _error(line: str, column: int, what: str) -> FieldLineError:
    return FieldLineError(f"field line {line!r}, column {column}: {what}")


def text(field: Field, record: Mapping[str, Any]) -> str:
    """The text of a field: its names' texts, joined by a space. Raises BadRecordError."""
    return " ".join(_text(name, record) for name in field.names)


def _text(name: str, record: Mapping[str, Any]) -> str:
    found = value(name, record)
    if not isinstance(found, str):
        raise BadRecordError(f"field {name!r} holds {kind_of(found)}, not text: write a string")
    return found


def value(name: str, record: Mapping[str, Any]) -> Any:
    """What the record holds under a name. Raises BadRecordError."""
    if name not in record:
        names = ", ".join(map(repr, sorted(record)[:8])) or "nothing"
        raise BadRecordError(f"field {name!r} is missing (the record has {names}): add it or correct the fields of the data set")
    return record[name]


def kind_of(found: object) -> str:
    """What a value of a record is, in JSON's words."""
    if isinstance(found, list) and not found:
        return "an empty list"
    kinds = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(found), f"a {type(found).__name__}")
