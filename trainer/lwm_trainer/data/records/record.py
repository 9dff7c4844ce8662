"""One record of a data set, and what stands for a record that cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a data set."""

    uri: str
    line: int
    """Line in the file, from 1; for parquet and Arrow the row, for `.tar` the sample, from 1; 1 for a `.txt` file."""
    number: int
    """Number of the record in its file, from 1."""
    fields: Mapping[str, Any]
    """The JSON object or table row; a `.txt` file has its text under `text`."""
    size: int = field(default=0, compare=False)
    """Bytes of source, for bounds on what is held at once."""
    file: str = field(default="", compare=False)
    """Name of the file below the data set's root. File and number are the record's place in the data set, the key of its random draws."""


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be read, or that makes no example."""

    uri: str
    line: int
    problem: str
    """What is wrong and the fix."""

    def __str__(self) -> str:
        return f"{record_location(self.uri, self.line)}: {self.problem}"


class BadRecordError(Exception):
    """A record makes no example: says what is wrong and the fix. The reader adds file and line."""


def record_location(uri: str, line: int) -> str:
    """How messages name a record: file and line; a `.txt` file is one record and is named without a line."""
    return uri if uri.lower().endswith((".txt", ".txt.gz", ".txt.zst")) else f"{uri}:{line}"
