"""A row cut into equal chunks, and the attention work at each hop of an assignment of chunks to ranks.

Work is counted from the edges of documents, in microseconds, without a mask of all pairs.

Letters: S tokens, n chunks of g tokens, N ring size.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Chunks(NamedTuple):
    """A row as the planner sees it. Only the document that continues into a chunk from before it sees keys of other chunks."""

    size: int
    """Tokens of a chunk, g."""
    document: Integers
    """int64[n], where the document of the chunk's middle token starts, as a place in the row."""
    start: Integers
    """int64[n], where the document of the chunk's first token starts, as a place in the row."""
    head: Integers
    """int64[n], how many of the chunk's tokens belong to that document."""
    own: Integers
    """int64[n], visible pairs of a query and a key that are both in the chunk."""

    @property
    def begin(self) -> Integers:
        """int64[n], the first place of each chunk."""
        return np.arange(len(self.start), dtype=np.int64) * self.size


def largest_divisor(number: int, at_most: int) -> int:
    """The largest divisor of `number` that is at most `at_most`; both at least 1."""
    return next(size for size in range(min(number, at_most), 0, -1) if number % size == 0)


def cut_chunks(start: NDArray[np.int32], size: int) -> Chunks:
    """Cut a row into chunks of `size` tokens, a divisor of S. `start` is int32[S], the first place that each token sees, not descending."""
    begin = np.arange(0, len(start), size, dtype=np.int64)
    head = np.minimum(np.searchsorted(start, start[begin], side="right") - begin, size)
    first = start[begin].astype(np.int64)
    seen = size * begin + size * (size + 1) // 2 - start.reshape(-1, size).sum(axis=1, dtype=np.int64)
    before = head * np.maximum(begin - first, 0)
    return Chunks(size, start[begin + size // 2].astype(np.int64), first, head, seen - before)


def work_by_hop(row: Chunks, ranks: Integers, ring_size: int) -> Floats:
    """The pairs that rank r computes at hop n, at which it holds the keys of rank r - n: float64[N, N] by (rank, hop).

    Args:
        row: the chunks.
        ranks: int64[n], the rank that holds each chunk; all ranks hold the same number.
    """
    count, every = len(ranks), np.arange(len(ranks))
    held = np.zeros((count + 1, ring_size))
    held[every + 1, ranks] = row.size
    np.cumsum(held, axis=0, out=held)  # tokens of each rank before each chunk
    enters = row.start < row.begin
    origin = np.where(enters, row.start // row.size, every)  # the chunk in which the entering document starts
    work = held[:-1] - held[origin]
    work[every, ranks[origin]] -= np.where(enters, row.start - origin * row.size, 0)
    work *= row.head[:, None]
    work[every, ranks] += row.own
    by_holder = work[np.argsort(ranks, kind="stable")].reshape(ring_size, -1, ring_size).sum(axis=1)
    return holder_to_hop(by_holder)


def holder_to_hop(by_holder: NDArray[Any]) -> NDArray[Any]:
    """Reorder a matrix [N, N] by (rank, rank that holds the keys) to one by (rank, hop)."""
    rank = np.arange(len(by_holder))
    by_hop: NDArray[Any] = by_holder[rank[:, None], rank[:, None] - rank]
    return by_hop
