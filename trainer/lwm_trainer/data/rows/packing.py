"""Which segments lie in which row: planned once from their lengths, shuffled anew each epoch.

Rows are planned by best-fit decreasing, from the lengths alone, so that every epoch with the same segments has the same number of rows. An
epoch then shuffles segments of equal length among their slots, and shuffles the rows.
"""

from bisect import bisect_left, insort
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.rows.selection import Segments
from lwm_trainer.data.seeded_random import permutation, random_keys


class PackingPlan:
    """Rows of `row_length` tokens, packed from segments; `key` seeds the shuffles.

    With `bucketed`, the segments of a row are of one length class, see `bucket_bounds`.
    """

    def __init__(self, segments: Segments, row_length: int, *key: int, bucketed: bool = False) -> None:
        self._segments = segments.take(np.argsort(-segments.lengths, kind="stable"))
        lengths = self._lengths = self._segments.lengths
        row_of_slot = best_fit(lengths, row_length, bucket_bounds(lengths) if bucketed else ())
        self.rows = int(row_of_slot.max(initial=-1)) + 1
        """Rows of an epoch."""
        self.fill = float(lengths.sum() / (self.rows * row_length)) if self.rows else 0.0
        """Share of the places that hold a token."""
        self._slots = np.argsort(row_of_slot, kind="stable")
        self._slot_offsets = np.searchsorted(row_of_slot[self._slots], np.arange(self.rows + 1))
        self._row_tokens = np.bincount(row_of_slot, weights=lengths, minlength=self.rows).astype(np.int64)
        self.size = int(lengths.sum())
        """Tokens of an epoch."""
        self._key = key
        self._epoch = lru_cache(maxsize=2)(self._shuffle_epoch)

    def row(self, epoch: int, index: int) -> Segments:
        """The segments of row `index` of an epoch, in their order in the row."""
        segments, rows = self._epoch(epoch)
        row = rows[index]
        return self._segments.take(segments[self._slots[self._slot_offsets[row] : self._slot_offsets[row + 1]]])

    def tokens(self, epoch: int, index: int) -> int:
        """Tokens in row `index` of an epoch."""
        return int(self._row_tokens[self._epoch(epoch)[1][index]])

    def tokens_before(self, epoch: int, index: int) -> int:
        """Tokens in the rows of an epoch before row `index`."""
        return int(self._row_tokens[self._epoch(epoch)[1][:index]].sum()) if index else 0

    def _shuffle_epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The segment in each slot (only segments of equal length change places) and the order of the rows."""
        segments = np.lexsort((random_keys(len(self._lengths), *self._key, epoch, 0), -self._lengths))
        return segments, permutation(self.rows, *self._key, epoch, 1)


def bucket_bounds(lengths: NDArray[np.int64]) -> tuple[int, ...]:
    """Indices at which the next length class begins, in lengths sorted longest first. A class is a power of two up to below the next."""
    classes = np.frexp(lengths)[1]
    return tuple(int(index) for index in np.flatnonzero(np.diff(classes)) + 1)


def best_fit(lengths: NDArray[np.int64], row_length: int, bounds: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """Assign each segment to the row that it leaves with the least free space; int64 [segments], the row of each.

    Segments of equal length are placed together, with the same result as one by one: the row that is best for one stays best for the next
    until it is full, so the rows with the least sufficient space take as many as they can hold, one row after the other.

    Args:
        lengths: int64 [segments], sorted longest first.
        bounds: ascending indices; from each on, rows begun before it take no more segments.
    """
    rows = np.empty(len(lengths), np.int64)
    ends = np.append(np.flatnonzero(np.diff(lengths)) + 1, len(lengths)) if len(lengths) else lengths
    row_count, slot = 0, 0
    free_lengths: list[int] = []  # distinct, ascending
    open_rows: dict[int, list[int]] = {}  # by free length
    closing = set(bounds)
    for end in ends.tolist():
        if slot in closing:
            free_lengths, open_rows = [], {}
        size = int(lengths[slot])
        while slot < end:
            index = bisect_left(free_lengths, size)
            free = free_lengths[index] if index < len(free_lengths) else row_length
            per_row = free // size
            wanted = -(-(end - slot) // per_row)
            if index == len(free_lengths):
                taken = list(range(row_count, row_count + wanted))
                row_count += wanted
            else:
                available = open_rows[free]
                taken = available[-wanted:][::-1]
                del available[-wanted:]
                if not available:
                    del open_rows[free], free_lengths[index]
            placed = min(end - slot, per_row * len(taken))
            rows[slot : slot + placed] = np.repeat(taken, per_row)[:placed]
            slot += placed
            in_last_row = placed - per_row * (len(taken) - 1)
            for rest, reopened in ((free - per_row * size, taken[:-1]), (free - in_last_row * size, taken[-1:])):
                if rest and reopened:
                    if rest not in open_rows:
                        insort(free_lengths, rest)
                        open_rows[rest] = []
                    open_rows[rest] += reopened
    return rows
