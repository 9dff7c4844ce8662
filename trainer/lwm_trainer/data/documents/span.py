"""What rows are made from: the documents of a data set one after the other, in flat coordinates."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Span(NamedTuple):
    """A contiguous range of a data set's tokens; arrays are [tokens]."""

    tokens: NDArray[np.int32]
    loss_mask: NDArray[np.bool_]
    """True where the token counts as a target of the loss."""
    vision_mask: NDArray[np.bool_]
    """True where the token belongs to the vision vocabulary."""


class DocumentSource(Protocol):
    """The documents of a data set one after the other; document d is the range `offsets[d]` to `offsets[d + 1]`."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where documents begin, and the end of the last: int64 [documents + 1]."""

    @property
    def targets(self) -> NDArray[np.int64] | None:
        """Tokens of each document that count as targets, int64 [documents]; None: every token but each document's first counts."""

    @property
    def epochs(self) -> NDArray[np.uint8] | None:
        """The set of epochs in which each document is used, see `drawn_epochs`, uint8 [documents]; None: all documents in every epoch."""

    def read(self, begin: int, end: int) -> Span:
        """The tokens from `begin` to `end` (exclusive)."""

    def name(self, document: int) -> str:
        """The file and line of a document, as in `/texts/a.jsonl:7`."""


def make_span(
    tokens: NDArray[np.int32],
    loss_mask: NDArray[np.bool_] | None,
    vision_mask: NDArray[np.bool_] | None,
    begin: int,
    offsets: NDArray[np.int64],
) -> Span:
    """A span with its default masks filled in: every token but each document's first counts, and none is of the vision vocabulary.

    Args:
        begin: flat coordinate of the first of the tokens.
        offsets: of the whole data set.
    """
    if loss_mask is None:
        loss_mask = np.ones(len(tokens), np.bool_)
        first, last = np.searchsorted(offsets, [begin, begin + len(tokens)])
        loss_mask[offsets[first:last] - begin] = False
    return Span(tokens, loss_mask, np.zeros(len(tokens), np.bool_) if vision_mask is None else vision_mask)
