"""Which rank of the ring holds which tokens of a row.

The permutation is applied to tokens when the batch is built, never to activations: the model and the ring only ever see each rank's
tokens in ascending order of their place in the row. A layout is cut from equal chunks, a pure function of the row's documents.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.ring.chunk_assignment import deal
from lwm_trainer.ring.chunks import Chunks, Floats, Integers, chunks, hop_work
from lwm_trainer.ring.divisors import largest_divisor

LINK = 256
"""Pairs that a device computes while the keys and values of one token move on by one rank: 256 where a key head serves eight query
heads and both the compute and the link are fast, 2,000 where every query head has its own keys. See `cost`."""
SMALLEST_CHUNK = 512
"""Tokens. A chunk shorter than the inner loop's blocks would make each block see what two chunks may see: up to twice the work."""
SMALLEST_OF_FEW = 256
"""Tokens, where a rank would else hold fewer than FEW chunks."""
FEW = 8
MOST_CHUNKS = 64
"""Of a rank: more of them balance better, and take longer to plan."""
COARSE = 2, 4, 8
"""Chunks of a rank at most, where keys should travel few hops."""
ENOUGH = 1.02
"""A layout this near to the least possible cost ends the search."""
FAR = 1.15
"""Where the best is farther than this from it, moving keys costs much, and coarse chunks are tried, too."""


def zigzag(length: int, ring_size: int) -> NDArray[np.int32]:
    """The places, in the order in which the ranks hold them: rank r has chunk r and chunk 2 * ring_size - 1 - r of equal chunks.

    Under a causal mask late chunks cost more than early ones; paired like this, every rank has the same work (the layout of
    llama3's context parallelism and of zigzag ring attention). Returns int32[length]; rank r holds entries
    [r * length / ring_size, (r + 1) * length / ring_size), ascending within the rank.

    Raises ValueError when 2 * ring_size does not divide length.
    """
    if length % (2 * ring_size):
        raise ValueError(f"length {length} is not a multiple of 2 x ring size = {2 * ring_size}")
    return _order(_folded(2, ring_size), length)


def plan(start: NDArray[np.int32], ring_size: int, link: int = LINK) -> NDArray[np.int32]:
    """The cheapest layout found for one row of documents, in the form of `zigzag`; equal on every host.

    Args:
        start: int32[S], the first place that each token may see, nowhere descending; place + 1 for padding.
        ring_size: ranks of the ring; it divides S.
        link: see LINK.

    Raises ValueError when ring_size does not divide S.
    """
    if len(start) % ring_size:
        raise ValueError(f"length {len(start)} is not a multiple of the ring size {ring_size}")
    if ring_size == 1:
        return np.arange(len(start), dtype=np.int32)
    move = link * (len(start) // ring_size)
    least, possible, best = np.inf, 0.0, _folded(1, ring_size)
    for near, layouts in ((ENOUGH, _fine), (FAR, _coarse)):
        if least <= near * possible:
            break
        for row, ranks in layouts(start, ring_size):
            work = hop_work(row, ranks, ring_size)
            found, possible = cost(work, move), float(work.sum()) / ring_size
            if found < least:
                least, best = found, ranks
            if least <= ENOUGH * possible:
                break
    return _order(best, len(start))


def cost(work: Floats, move: float) -> float:
    """What one pass through the ring takes, in pairs of a query and a key.

    A hop ends when the slowest rank has computed and the next keys have come, whichever is later; an eighth of a move is added, as no
    move is hidden wholly. Nothing moves after the last hop where a rank has work.

    Args:
        work: float64[N, N], pairs by (rank, hop).
        move: pairs that a rank computes while a shard moves on by one rank.
    """
    slowest = work.max(axis=0)
    last = int(np.max(np.flatnonzero(slowest), initial=0))
    return float(np.maximum(slowest[:last], move).sum() + slowest[last] + last * move / 8)


def _fine(start: NDArray[np.int32], ring_size: int) -> Iterator[tuple[Chunks, Integers]]:
    """The row in chunks and a rank for each, several ways, the simple ones first: contiguous, zigzag, to and fro, dealt."""
    held = len(start) // ring_size
    for count in sorted({largest_divisor(held, most) for most in (1, 2, 4, _most(held))}):
        row = chunks(start, held // count)
        yield row, _folded(count, ring_size)
    yield row, deal(row, ring_size)


def _coarse(start: NDArray[np.int32], ring_size: int) -> Iterator[tuple[Chunks, Integers]]:
    """The same, dealt in chunks so long that most documents reach few ranks."""
    held = len(start) // ring_size
    for count in sorted({largest_divisor(held, most) for most in COARSE if most < _most(held)}):
        row = chunks(start, held // count)
        yield row, deal(row, ring_size)


def _most(held: int) -> int:
    """Chunks of a rank that holds so many tokens."""
    return min(MOST_CHUNKS, max(2, held // SMALLEST_CHUNK, min(FEW, held // SMALLEST_OF_FEW)))


def _folded(count: int, ring_size: int) -> Integers:
    """Rank of each of count * ring_size chunks, to and fro: contiguous for a count of 1, zigzag for 2."""
    turn, rank = np.divmod(np.arange(count * ring_size, dtype=np.int64), ring_size)
    return np.where(turn % 2, ring_size - 1 - rank, rank)


def _order(ranks: Integers, length: int) -> NDArray[np.int32]:
    return np.arange(length, dtype=np.int32).reshape(len(ranks), -1)[np.argsort(ranks, kind="stable")].reshape(-1)
