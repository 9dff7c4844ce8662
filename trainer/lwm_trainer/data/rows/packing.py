"""Which pieces lie in which row: a plan made once from their lengths, dealt anew each epoch.

Rows are planned by best fit, longest piece first, from the lengths alone, so that every epoch has the same number of rows and row r is
found without planning the epochs before it. An epoch then shuffles which of the pieces of equal length takes which place, and the rows.
"""

from bisect import bisect_left, insort
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.rows.selection import Segments
from lwm_trainer.data.seeded_random import permutation, random_keys


class Plan:
    """Rows of `length` tokens for the pieces; `name` seeds the shuffles. `bucketed`: a row's pieces are of one class of lengths."""

    def __init__(self, pieces: Segments, length: int, *name: int, bucketed: bool = False) -> None:
        self._pieces = pieces.take(np.argsort(-pieces.lengths, kind="stable"))
        lengths = self._lengths = self._pieces.lengths
        row_of_slot = best_fit(lengths, length, class_bounds(lengths) if bucketed else ())
        self.rows = int(row_of_slot.max(initial=-1)) + 1
        self.fill = float(lengths.sum() / (self.rows * length)) if self.rows else 0.0
        """Share of the places that hold a token."""
        self._slots = np.argsort(row_of_slot, kind="stable")
        self._slot_offsets = np.searchsorted(row_of_slot[self._slots], np.arange(self.rows + 1))
        self._name = name
        self._deal = lru_cache(maxsize=2)(self._deal_epoch)

    def row(self, number: int) -> Segments:
        """The pieces of row `number` of the run, in their order in the row."""
        epoch, place = divmod(number, self.rows)
        pieces, rows = self._deal(epoch)
        row = rows[place]
        return self._pieces.take(pieces[self._slots[self._slot_offsets[row] : self._slot_offsets[row + 1]]])

    def _deal_epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The piece in each slot (only pieces of equal length change places) and the order of the rows."""
        pieces = np.lexsort((random_keys(len(self._lengths), *self._name, epoch, 0), -self._lengths))
        return pieces, permutation(self.rows, *self._name, epoch, 1)


def class_bounds(lengths: NDArray[np.int64]) -> tuple[int, ...]:
    """Where, in lengths given longest first, the next class begins: those from a power of two to below the next are one."""
    classes = np.frexp(lengths)[1]
    return tuple(int(place) for place in np.flatnonzero(np.diff(classes)) + 1)


def best_fit(lengths: NDArray[np.int64], length: int, bounds: tuple[int, ...] = ()) -> NDArray[np.int64]:
    """The row of each piece, pieces given longest first: each goes where it leaves the least room.

    From each of `bounds` (places in `lengths`, ascending) on, rows begun before take nothing more. Segments of equal length are placed
    together: a row that is the best for one stays the best for the next until it has no room for another, so the rows of the least
    room that is enough take as many as they can hold, one after the other, as they would piece by piece.
    """
    rows = np.empty(len(lengths), np.int64)
    ends = np.append(np.flatnonzero(np.diff(lengths)) + 1, len(lengths)) if len(lengths) else lengths
    count, slot = 0, 0
    room: list[int] = []  # distinct free lengths, ascending
    open_rows: dict[int, list[int]] = {}
    closing = set(bounds)
    for end in ends.tolist():
        if slot in closing:
            room, open_rows = [], {}
        size = int(lengths[slot])
        while slot < end:
            at = bisect_left(room, size)
            free = room[at] if at < len(room) else length
            each = free // size
            wanted = -(-(end - slot) // each)
            if at == len(room):
                taken = list(range(count, count + wanted))
                count += wanted
            else:
                there = open_rows[free]
                taken = there[-wanted:][::-1]
                del there[-wanted:]
                if not there:
                    del open_rows[free], room[at]
            placed = min(end - slot, each * len(taken))
            rows[slot : slot + placed] = np.repeat(taken, each)[:placed]
            slot += placed
            last = placed - each * (len(taken) - 1)
            for rest, some in ((free - each * size, taken[:-1]), (free - last * size, taken[-1:])):
                if rest and some:
                    if rest not in open_rows:
                        insort(room, rest)
                        open_rows[rest] = []
                    open_rows[rest] += some
    return rows
