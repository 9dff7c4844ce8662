"""What goes into the encoder and what comes out: a record of a source, and the tokens it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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


@dataclass(frozen=True, slots=True)
class Example:
    """One document: what a record became. Arrays are [length]."""

    tokens: NDArray[np.int32]
    loss: NDArray[np.bool_] | None
    """The token counts as a target; None: all but the first do."""
    vision: NDArray[np.bool_] | None
    """The token is of the vision vocabulary; None: none is."""


class BadRecordError(Exception):
    """A record that makes no example: what is wrong with it and the fix, without file and line, which whoever reads it adds."""
