"""What rows are packed of: the documents that a stage asks for, cut to the row's length. Only lengths are looked at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.documents.span import Source
from lwm_trainer.storage.errors import DataCorruptError

_FATES = {"split": "split", "truncate": "truncated", "skip": "left out", "fail": "refused"}


class Segments(NamedTuple):
    """Segments of documents in flat coordinates, each of which stands in a row as an example of its own."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Exclusive."""
    last: NDArray[np.bool_]
    """Whether the document ends with the piece: its last token then has no target."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        return self.ends - self.begins

    def take(self, which: NDArray[np.int64]) -> "Segments":
        return Segments(self.begins[which], self.ends[which], self.last[which])


class Selection(NamedTuple):
    """The pieces in the order of their documents, and what is not there whole."""

    pieces: Segments
    documents: int
    """Left in."""
    remarks: tuple[str, ...]
    """How many documents are left out, split or truncated, and why; as people read it."""


def select(source: Source, length: int, dataset: config.Dataset) -> Selection:
    """Segments of at most `length` tokens. Raises DataCorruptError for a longer document where `documents.longer` is fail."""
    wanted = dataset.documents
    begins, ends = source.offsets[:-1], source.offsets[1:]
    sizes = ends - begins
    short, long = sizes < wanted.min_tokens, sizes > (wanted.max_tokens or np.inf)
    over = ~short & ~long & (sizes > length)
    first = int(np.argmax(over)) if over.any() else None
    if wanted.longer == "fail" and first is not None:
        raise DataCorruptError(
            f"{source.name(first)}: datasets[{dataset.name}]: a document of {sizes[first]} tokens is longer than the row's {length}: "
            "shorten it, or set documents.longer to split, truncate or skip"
        )
    remarks = [
        (short.sum(), f"left out, shorter than minTokens {wanted.min_tokens}"),
        (long.sum(), f"left out, longer than maxTokens {wanted.max_tokens}"),
        (over.sum(), f"{_FATES[wanted.longer]}, longer than a row, the first {source.name(first) if first is not None else ''}"),
    ]
    kept = ~(short | long | (over & (wanted.longer == "skip")))
    begins, ends = begins[kept], ends[kept]
    if wanted.longer == "truncate":
        cut_ends = np.minimum(ends, begins + length)
        pieces = Segments(begins, cut_ends, cut_ends == ends)
    else:
        pieces = cut(begins, ends, length)
    return Selection(pieces, int(kept.sum()), tuple(f"{count} {remark}" for count, remark in remarks if count))


def cut(begins: NDArray[np.int64], ends: NDArray[np.int64], length: int) -> Segments:
    """The documents from `begins` to `ends`, each cut into pieces of `length` tokens and a rest."""
    counts = -(-(ends - begins) // length)
    document = np.repeat(np.arange(len(begins)), counts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = begins[document] + number * length
    end = np.minimum(first + length, ends[document])
    return Segments(first, end, end == ends[document])
