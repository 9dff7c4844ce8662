"""Assigns chunks to ranks, document by document, longest first, each where it adds least to the work of the slowest ranks.

A document whose chunks are dealt round the ring makes some work by (rank, hop). Rotated by some ranks, it makes the same work, rotated. So
the work of each length of document is computed once, and all rotations are compared at once.

All hosts must find the same assignment. So all numbers are whole, below 2**53 in float64, and below 2**24 in float32, where they count
halves of a chunk's square: sums are exact on every machine.
"""

import heapq
from functools import partial
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from lwm_trainer.ring.chunks import Chunks, Integers, holder_to_hop

Singles = NDArray[np.float32]
Placement = tuple[Integers, Singles]
"""A rank for each chunk of a document, and the work by (rank, hop) that follows, in halves of a chunk's square."""

MAX_DOCUMENTS = 48
"""Documents that are placed as a whole, at most. The work of shorter ones hardly matters: their chunks fill the gaps."""
MAX_ROTATIONS = 16
"""Rotations that are tried for each document, at most."""


def assign_chunks(row: Chunks, ring_size: int) -> Integers:
    """Assign a rank to every chunk, the same number of chunks to every rank; int64[n]."""
    edges = np.flatnonzero(np.diff(row.document, prepend=-1, append=-1))
    sizes = np.diff(edges)
    room = np.full(ring_size, len(row.start) // ring_size)
    work = np.zeros((ring_size, ring_size), np.float32)
    ranks = np.full(len(row.start), -1, dtype=np.int64)
    placements: dict[int, list[Placement]] = {}
    for number in np.argsort(-sizes, kind="stable")[:MAX_DOCUMENTS]:
        size = int(sizes[number])
        if size < 2:
            break
        if size not in placements:
            placements[size] = _placements(size, ring_size)
        rotations = [_best_rotation(work, room, *placement) for placement in placements[size]]
        cost, rotation = min(rotations)
        if np.isinf(cost):
            continue
        placed, added = placements[size][rotations.index((cost, rotation))]
        rotated = (placed + rotation) % ring_size
        ranks[edges[number] : edges[number + 1]] = rotated
        work += np.roll(added, rotation, axis=0)
        room -= np.bincount(rotated, minlength=ring_size)
    _fill_gaps(row, ranks, room)
    return ranks


def _placements(size: int, ring_size: int) -> list[Placement]:
    """Round the ring along with the keys, and against them: the one is busy at the hops at which the other is not."""
    along = np.arange(size, dtype=np.int64) % ring_size
    rank = np.arange(ring_size)
    held = np.bincount(along, minlength=ring_size)[:, None]
    # In its own round a chunk sees the chunks on lower ranks and half of itself; in each round before, one chunk on every rank.
    seen = held * (held - 1 + 2 * (rank < rank[:, None]) + (rank == rank[:, None]))
    against = -rank % ring_size
    mirrored = seen[against[:, None], against]
    return [(along, holder_to_hop(seen).astype(np.float32)), (-along % ring_size, holder_to_hop(mirrored).astype(np.float32))]


def _best_rotation(work: Singles, room: Integers, ranks: Integers, added: Singles) -> tuple[float, int]:
    """The least cost, and the rotation in ranks that has it; the cost is infinite when no rotation fits the room of every rank."""
    rotations_of = partial(_rotations, step=max(1, len(work) // MAX_ROTATIONS))
    held = np.bincount(ranks, minlength=len(work))
    fits = (rotations_of(held) <= room).all(axis=1)
    after = rotations_of(added) + work
    total = rotations_of(added.sum(axis=1, dtype=np.float64)) + work.sum(axis=1, dtype=np.float64)
    slowest = after.max(axis=1).sum(axis=1, dtype=np.float64)
    cost = np.where(fits, slowest + 1e-3 * total.max(axis=1) + 1e-6 * (total * total).sum(axis=1), np.inf)
    best = int(cost.argmin())
    return float(cost[best]), best * max(1, len(work) // MAX_ROTATIONS)


def _rotations(x: NDArray[Any], step: int) -> NDArray[Any]:
    """[N, ...] to [rotations, N, ...]: x rotated by 0, step, 2 * step, ... along its first axis, as a view."""
    size, along = len(x), x.strides[0]
    twice = np.concatenate([x, x])[size:]
    shape = (-(-size // step), *x.shape)
    return as_strided(twice, shape, (-step * along, *twice.strides), writeable=False)


def _fill_gaps(row: Chunks, ranks: Integers, room: Integers) -> None:
    """Assign the remaining chunks, heaviest first, each to the rank with the least work that has room."""
    assigned, left = ranks >= 0, np.flatnonzero(ranks < 0)
    seen = row.own + row.head * np.maximum(row.begin - row.start, 0)
    load = np.bincount(ranks[assigned], weights=seen[assigned], minlength=len(room))
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
