"""One record of a source, and the error for a record that cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a source."""

    uri: str
    line: int
    """Of the file, from 1. A `.txt` file: 1; parquet and arrow: the row, from 1."""
    number: int
    """Seeds what is drawn for the record: its line's number in its file."""
    fields: Mapping[str, Any]
    """A `.txt` file: its text under `text`."""


class BadRecordError(Exception):
    """A record that makes no example: what is wrong with it and the fix. The reader adds file and line."""
