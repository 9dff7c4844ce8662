"""Chunks dealt to ranks document by document, the longest first, each where it adds least to the slowest ranks' work.

A document whose chunks go round the ring makes work at (rank, hop); turned by some ranks it makes the same work, turned: so one
document's work is computed once, and all turns are compared at a time.

All hosts must find the same: numbers are whole, far below 2**53 and (in float32, where they are counted in halves of a chunk's
square) below 2**24, so that sums are exact on every machine.
"""

import heapq
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from lwm_trainer.ring.chunks import Chunks, Integers, by_hop

Singles = NDArray[np.float32]
Way = tuple[Integers, Singles]
"""A rank for each chunk of a document, and twice the work by (rank, hop) that this makes, a chunk's square being 1."""

DOCUMENTS = 48
"""So many documents are dealt as wholes at most; the work of the others hardly counts and goes where there is room."""
TURNS = 16
"""So many places are tried for each document at most."""


def deal(row: Chunks, ring_size: int) -> Integers:
    """int64[n]: a rank for every chunk, equally many for every rank."""
    edges = np.flatnonzero(np.diff(row.document, prepend=-1, append=-1))
    sizes = np.diff(edges)
    room = np.full(ring_size, len(row.start) // ring_size)
    work = np.zeros((ring_size, ring_size), np.float32)
    ranks = np.full(len(row.start), -1, dtype=np.int64)
    known: dict[int, list[Way]] = {}
    for number in np.argsort(-sizes, kind="stable")[:DOCUMENTS]:
        size = int(sizes[number])
        if size < 2:
            break
        if size not in known:
            known[size] = _ways(size, ring_size)
        found = [_turn(work, room, *way) for way in known[size]]
        cost, turn = min(found)
        if np.isinf(cost):
            continue
        way, made = known[size][found.index((cost, turn))]
        turned = (way + turn) % ring_size
        ranks[edges[number] : edges[number + 1]] = turned
        work += np.roll(made, turn, axis=0)
        room -= np.bincount(turned, minlength=ring_size)
    _fill(row, ranks, room)
    return ranks


def _ways(size: int, ring_size: int) -> list[Way]:
    """Round the ring along with the keys, and against them: the first is busy at the hops at which the second is not."""
    along = np.arange(size, dtype=np.int64) % ring_size
    rank = np.arange(ring_size)
    held = np.bincount(along, minlength=ring_size)[:, None]
    # of its own turn a chunk sees those on lower ranks and half of itself, of each turn before it one on every rank
    seen = held * (held - 1 + 2 * (rank < rank[:, None]) + (rank == rank[:, None]))
    against = -rank % ring_size
    mirrored = seen[against[:, None], against]
    return [(along, by_hop(seen).astype(np.float32)), (-along % ring_size, by_hop(mirrored).astype(np.float32))]


def _turn(work: Singles, room: Integers, ranks: Integers, made: Singles) -> tuple[float, int]:
    """The least cost and by how many ranks to turn for it; infinite where no turn leaves every rank its room."""
    turned = partial(_turned, step=max(1, len(work) // TURNS))
    held = np.bincount(ranks, minlength=len(work))
    fits = (turned(held) <= room).all(axis=1)
    after = turned(made) + work
    total = turned(made.sum(axis=1, dtype=np.float64)) + work.sum(axis=1, dtype=np.float64)
    slowest = after.max(axis=1).sum(axis=1, dtype=np.float64)
    cost = np.where(fits, slowest + 1e-3 * total.max(axis=1) + 1e-6 * (total * total).sum(axis=1), np.inf)
    best = int(cost.argmin())
    return float(cost[best]), best * max(1, len(work) // TURNS)


def _turned(x: NDArray[Any], step: int) -> NDArray[Any]:
    """[N, ...] to [turns, N, ...]: x turned by 0, step, 2 * step, ... along its first axis, as a view."""
    size, along = len(x), x.strides[0]
    twice = np.concatenate([x, x])[size:]
    shape = (-(-size // step), *x.shape)
    return as_strided(twice, shape, (-step * along, *twice.strides), writeable=False)


def _fill(row: Chunks, ranks: Integers, room: Integers) -> None:
    """The chunks that no rank has yet, the heaviest first, each to the rank with the least work that has room."""
    dealt, left = ranks >= 0, np.flatnonzero(ranks < 0)
    seen = row.own + row.head * np.maximum(row.begin - row.start, 0)
    load = np.bincount(ranks[dealt], weights=seen[dealt], minlength=len(room))
    work = seen.tolist()
    free = [(float(load[rank]), rank) for rank in range(len(room)) if room[rank]]
    space = room.tolist()
    heapq.heapify(free)
    for chunk in sorted(left.tolist(), key=lambda chunk: -work[chunk]):
        least, rank = free[0]
        ranks[chunk] = rank
        space[rank] -= 1
        if space[rank]:
            heapq.heapreplace(free, (least + work[chunk], rank))
        else:
            heapq.heappop(free)
