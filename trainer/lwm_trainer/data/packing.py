"""Which documents lie in which row: a plan made once from their lengths, dealt anew each epoch.

A document longer than a row is cut into pieces of a row's length and a rest. Rows are planned by best fit, longest piece first, from
the lengths alone, so that every epoch has the same number of rows and row r is found without planning the epochs before it. An
epoch then shuffles which of the pieces of equal length takes which place, and the rows.
"""

from bisect import bisect_left, insort
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.order import permutation, random_keys


class Piece(NamedTuple):
    """Tokens `begin` to `end` (exclusive) of the flat array; `last` when the document ends there."""

    begin: int
    end: int
    last: bool


class Plan:
    """Rows of `length` tokens for the documents between `offsets` (int64 [documents + 1]); `name` seeds the shuffles."""

    def __init__(self, offsets: NDArray[np.int64], length: int, *name: int) -> None:
        begins, ends, last = cut(offsets, length)
        by_length = np.argsort(begins - ends, kind="stable")
        self._begins, self._ends, self._last = begins[by_length], ends[by_length], last[by_length]
        self._lengths = self._ends - self._begins
        row_of_slot = best_fit(self._lengths, length)
        self.rows = int(row_of_slot.max(initial=-1)) + 1
        self.fill = float(self._lengths.sum() / (self.rows * length)) if self.rows else 0.0
        """Share of the places that hold a token."""
        self._slots = np.argsort(row_of_slot, kind="stable")
        self._slot_offsets = np.searchsorted(row_of_slot[self._slots], np.arange(self.rows + 1))
        self._name = name
        self._deal = lru_cache(maxsize=2)(self._deal_epoch)

    def row(self, number: int) -> list[Piece]:
        """The pieces of row `number` of the run, in their order in the row."""
        epoch, place = divmod(number, self.rows)
        pieces, rows = self._deal(epoch)
        row = rows[place]
        slots = self._slots[self._slot_offsets[row] : self._slot_offsets[row + 1]]
        return [Piece(int(self._begins[piece]), int(self._ends[piece]), bool(self._last[piece])) for piece in pieces[slots]]

    def _deal_epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The piece in each slot (only pieces of equal length change places) and the order of the rows."""
        pieces = np.lexsort((random_keys(len(self._lengths), *self._name, epoch, 0), -self._lengths))
        return pieces, permutation(self.rows, *self._name, epoch, 1)


def cut(offsets: NDArray[np.int64], length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Begin, end and whether a document ends there, of each piece of at most `length` tokens."""
    sizes = np.diff(offsets)
    counts = -(-sizes // length)
    document = np.repeat(np.arange(len(sizes)), counts)
    number = np.arange(len(document)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = offsets[:-1][document] + number * length
    ends = np.minimum(begins + length, offsets[1:][document])
    return begins, ends, ends == offsets[1:][document]


def best_fit(lengths: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """The row of each piece, pieces given longest first: each goes where it leaves the least room."""
    rows = np.arange(len(lengths))
    full = int(np.count_nonzero(lengths == length))
    count = full
    room: list[int] = []  # distinct free lengths, ascending
    open_rows: dict[int, list[int]] = {}
    for slot in range(full, len(lengths)):
        size = int(lengths[slot])
        at = bisect_left(room, size)
        if at == len(room):
            row, free = count, length
            count += 1
        else:
            free = room[at]
            row = open_rows[free].pop()
            if not open_rows[free]:
                del open_rows[free], room[at]
        rows[slot] = row
        free -= size
        if free:
            if free not in open_rows:
                insort(room, free)
            open_rows.setdefault(free, []).append(row)
    return rows
