"""What rows are packed of: the documents that a stage asks for, cut to the row's length. Only lengths are looked at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.span import Source


class Pieces(NamedTuple):
    """Pieces of documents in flat coordinates, each of which stands in a row as an example of its own."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Exclusive."""
    last: NDArray[np.bool_]
    """Whether the document ends with the piece: its last token then has no target."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.ends - self.begins

    def take(self, which: NDArray[np.int64]) -> "Pieces":
        return Pieces(self.begins[which], self.ends[which], self.last[which])


class Selection(NamedTuple):
    """The pieces in the order of their documents, and how many documents are left out for which reason."""

    pieces: Pieces
    documents: int
    """Left in."""
    left_out: dict[str, int]
    """By the reason, as people read it; reasons that left none out are not there."""


def select(source: Source, length: int, dataset: config.Dataset) -> Selection:
    """Pieces of at most `length` tokens. Raises DataCorruptError for a longer document where `documents.longer` is fail."""
    wanted = dataset.documents
    begins, ends = source.offsets[:-1], source.offsets[1:]
    sizes = ends - begins
    short, long = sizes < wanted.min_tokens, sizes > (wanted.max_tokens or np.inf)
    over = ~short & ~long & (sizes > length)
    if wanted.longer == "fail" and over.any():
        first = int(np.argmax(over))
        raise DataCorruptError(
            f"{source.name(first)}: datasets[{dataset.name}]: a document of {sizes[first]} tokens is longer than the row's {length}: "
            "shorten it, or set documents.longer to split, truncate or skip"
        )
    skipped = over & (wanted.longer == "skip")
    counts = {
        f"shorter than minTokens, {wanted.min_tokens}": int(short.sum()),
        f"longer than maxTokens, {wanted.max_tokens}": int(long.sum()),
        f"longer than a row, {length}": int(skipped.sum()),
    }
    kept = ~(short | long | skipped)
    begins, ends = begins[kept], ends[kept]
    if wanted.longer == "truncate":
        cut_ends = np.minimum(ends, begins + length)
        pieces = Pieces(begins, cut_ends, cut_ends == ends)
    else:
        pieces = cut(begins, ends, length)
    return Selection(pieces, int(kept.sum()), {reason: count for reason, count in counts.items() if count})


def cut(begins: NDArray[np.int64], ends: NDArray[np.int64], length: int) -> Pieces:
    """The documents from `begins` to `ends`, each cut into pieces of `length` tokens and a rest."""
    counts = -(-(ends - begins) // length)
    document = np.repeat(np.arange(len(begins)), counts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = begins[document] + number * length
    end = np.minimum(first + length, ends[document])
    return Pieces(first, end, end == ends[document])
