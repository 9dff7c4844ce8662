"""Which documents of a data set a stage trains on, cut into segments that fit a row. Only lengths are read."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.data.documents.span import DocumentSource
from lwm_trainer.data.drawn_epochs import in_epoch
from lwm_trainer.data.errors import DataCorruptError

_OUTCOMES = {"split": "split", "truncate": "truncated", "skip": "left out", "fail": "refused"}


class Segments(NamedTuple):
    """Documents or parts of documents, as ranges in flat coordinates. In a row, each is an example of its own."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    """Exclusive."""
    last: NDArray[np.bool_]
    """Whether the document ends with the segment: the last token then has no target."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """int64 [segments], in tokens."""
        return self.ends - self.begins

    def take(self, indices: NDArray[np.int64]) -> "Segments":
        """The segments at these indices, in this order."""
        return Segments(self.begins[indices], self.ends[indices], self.last[indices])


class Selection(NamedTuple):
    """The segments in the order of their documents, and a summary of what was cut or left out."""

    segments: Segments
    documents: int
    """How many documents are left in."""
    remarks: tuple[str, ...]
    """How many documents are left out, split or truncated, and why, for the log."""


def select_segments(source: DocumentSource, row_length: int, dataset: config.Dataset, epoch: int = 0) -> Selection:
    """Segments of at most `row_length` tokens, of the documents that are used in `epoch`.

    Raises DataCorruptError for a longer document of any epoch when `documents.overlong` is fail.
    """
    limits, overlong = dataset.documents, dataset.overlong
    begins, ends = source.offsets[:-1], source.offsets[1:]
    lengths = ends - begins
    short, long = lengths < limits.min_tokens, lengths > (limits.max_tokens or np.inf)
    over = ~short & ~long & (lengths > row_length)
    if overlong == "fail" and over.any():
        first = int(np.argmax(over))
        raise DataCorruptError(
            f"{source.name(first)}: datasets[{dataset.name}]: a document of {lengths[first]} tokens is longer than the row's"
            f" {row_length}: shorten it, or set documents.overlong to split, truncate or skip"
        )
    used = in_epoch(source.epochs, epoch, len(lengths))
    short, long, over = short & used, long & used, over & used
    first_name = source.name(int(np.argmax(over))) if over.any() else ""
    remarks = [
        (short.sum(), f"left out, shorter than minTokens {limits.min_tokens}"),
        (long.sum(), f"left out, longer than maxTokens {limits.max_tokens}"),
        (over.sum(), f"{_OUTCOMES[overlong]}, longer than a row, the first {first_name}"),
    ]
    kept = used & ~(short | long | (over & (overlong == "skip")))
    begins, ends = begins[kept], ends[kept]
    if overlong == "truncate":
        cut_ends = np.minimum(ends, begins + row_length)
        segments = Segments(begins, cut_ends, cut_ends == ends)
    else:
        segments = split_documents(begins, ends, row_length)
    document = np.searchsorted(source.offsets, segments.begins, "right") - 1
    trained = np.flatnonzero(have_targets(source, segments, document))
    remarks.append((len(document) - len(trained), "examples dropped, no token of them counts in the loss"))
    return Selection(
        segments.take(trained), len(np.unique(document[trained])), tuple(f"{count} {remark}" for count, remark in remarks if count)
    )


def have_targets(source: DocumentSource, segments: Segments, document: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a target is left in each segment, bool [segments]; the first token of a segment is none.

    Args:
        document: the document of each segment.
    """
    result = (segments.lengths > 1) | ~segments.last
    targets, offsets = source.targets, source.offsets
    if targets is None:
        return result
    result &= targets[document] > 0
    length = offsets[document + 1] - offsets[document]
    masked_parts = result & (segments.lengths < length) & (targets[document] < length - 1)
    for index in np.flatnonzero(masked_parts):
        begin, end = int(segments.begins[index]) + 1, int(segments.ends[index]) + int(not segments.last[index])
        result[index] = source.read(begin, end).loss_mask.any()
    return result


def split_documents(begins: NDArray[np.int64], ends: NDArray[np.int64], row_length: int) -> Segments:
    """Split each document into segments of `row_length` tokens and a remainder."""
    counts = -(-(ends - begins) // row_length)
    document = np.repeat(np.arange(len(begins)), counts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    segment_begins = begins[document] + number * row_length
    segment_ends = np.minimum(segment_begins + row_length, ends[document])
    return Segments(segment_begins, segment_ends, segment_ends == ends[document])
