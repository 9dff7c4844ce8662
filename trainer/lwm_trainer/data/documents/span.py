"""What a data set is for those who make rows of it: documents one after the other, read in stretches."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Span(NamedTuple):
    """A stretch of a data set, arrays of equal length."""

    tokens: NDArray[np.int32]
    loss: NDArray[np.bool_]
    """The token counts as a target."""
    vision: NDArray[np.bool_]
    """The token is of the vision vocabulary."""


class Source(Protocol):
    """Documents one after the other in flat coordinates."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where documents begin, and the end of the last: int64 [documents + 1]."""

    def read(self, begin: int, end: int) -> Span:
        """The tokens from `begin` to `end` (exclusive)."""

    def name(self, document: int) -> str:
        """The file and line that it comes from, as in `/texts/a.jsonl:7`."""


def span(
    tokens: NDArray[np.int32], loss: NDArray[np.bool_] | None, vision: NDArray[np.bool_] | None, begin: int, offsets: NDArray[np.int64]
) -> Span:
    """Fills in what is None: no token is of the vision vocabulary, all count but each document's first. `offsets`: of the data set;
    `begin`: the place of the first of the tokens."""
    if loss is None:
        loss = np.ones(len(tokens), np.bool_)
        first, last = np.searchsorted(offsets, [begin, begin + len(tokens)])
        loss[offsets[first:last] - begin] = False
    return Span(tokens, loss, np.zeros(len(tokens), np.bool_) if vision is None else vision)
