"""Which rank of the ring holds which tokens of a row.

The permutation is applied to tokens when a batch is built, never to activations. The model and the ring see each rank's tokens in
ascending order of their place in the row. A layout consists of equal chunks, and is a pure function of the row's documents.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.ring.chunk_assignment import assign_chunks
from lwm_trainer.ring.chunks import Chunks, Floats, Integers, cut_chunks, largest_divisor, work_by_hop

PAIRS_PER_TOKEN_HOP = 256
"""Pairs that a device computes in the time that the keys and values of one token take for one hop: 256 where a key head serves eight query
heads and both computation and link are fast, 2,000 where every query head has its own keys. See `ring_cost`."""
SMALLEST_CHUNK = 512
"""Tokens. In a chunk shorter than a kernel's blocks, each block would cover the keys of two chunks: up to twice the work."""
SMALLEST_OF_FEW = 256
"""Tokens, where a rank would otherwise hold fewer than FEW chunks."""
FEW = 8
MAX_CHUNKS = 64
"""Chunks of a rank. More chunks balance better but take longer to plan."""
COARSE = 2, 4, 8
"""Chunks of a rank, at most, in layouts whose keys travel few hops."""
ENOUGH = 1.02
"""The search ends at a layout whose cost is this close to the least possible one."""
FAR = 1.15
"""If the best cost is further than this from the least possible one, hops are expensive, and coarse chunks are tried too."""


def zigzag(length: int, ring_size: int) -> NDArray[np.int32]:
    """The zigzag layout: of 2 * ring_size equal chunks, rank r holds chunk r and chunk 2 * ring_size - 1 - r.

    Under a causal mask late chunks cost more than early ones. Paired like this, every rank has the same work for a row of one document (the
    layout of Llama 3's context parallelism and of zigzag ring attention).

    Returns: the places of the row, int32[length], rank after rank. Rank r holds entries [r * length / ring_size,
    (r + 1) * length / ring_size), ascending within the rank.

    Raises ValueError when 2 * ring_size does not divide length.
    """
    if length % (2 * ring_size):
        raise ValueError(f"length {length} is not a multiple of 2 x ring size = {2 * ring_size}")
    return _order(_folded(2, ring_size), length)


def plan_layout(start: NDArray[np.int32], ring_size: int, pairs_per_token_hop: int = PAIRS_PER_TOKEN_HOP) -> NDArray[np.int32]:
    """Find the cheapest layout of one row of documents, in the form that `zigzag` returns; equal on every host.

    Args:
        start: int32[S], the first place that each token sees, not descending; place + 1 for padding.
        ring_size: ranks of the ring.
        pairs_per_token_hop: speed of computation over speed of the link, see PAIRS_PER_TOKEN_HOP.

    Raises ValueError when ring_size does not divide S.
    """
    if len(start) % ring_size:
        raise ValueError(f"length {len(start)} is not a multiple of the ring size {ring_size}")
    if ring_size == 1:
        return np.arange(len(start), dtype=np.int32)
    hop_pairs = pairs_per_token_hop * (len(start) // ring_size)
    least, possible, best = np.inf, 0.0, _folded(1, ring_size)
    for near, layouts in ((ENOUGH, _fine), (FAR, _coarse)):
        if least <= near * possible:
            break
        for row, ranks in layouts(start, ring_size):
            work = work_by_hop(row, ranks, ring_size)
            cost, possible = ring_cost(work, hop_pairs), float(work.sum()) / ring_size
            if cost < least:
                least, best = cost, ranks
            if least <= ENOUGH * possible:
                break
    return _order(best, len(start))


def ring_cost(work: Floats, hop_pairs: float) -> float:
    """The time of one pass through the ring, in computed pairs of a query and a key.

    A hop ends when the slowest rank has computed and the next keys have arrived, whichever is later. An eighth of the transfer is added to
    each hop, because overlap is never perfect. Nothing is sent after the last hop at which a rank has work.

    Args:
        work: float64[N, N], pairs by (rank, hop).
        hop_pairs: pairs that a rank computes in the time that a shard takes for one hop.
    """
    slowest = work.max(axis=0)
    last = int(np.max(np.flatnonzero(slowest), initial=0))
    return float(np.maximum(slowest[:last], hop_pairs).sum() + slowest[last] + last * hop_pairs / 8)


def _fine(start: NDArray[np.int32], ring_size: int) -> Iterator[tuple[Chunks, Integers]]:
    """Layouts of many chunks, the simple ones first: contiguous, zigzag, back and forth, and the searched assignment."""
    held = len(start) // ring_size
    for count in sorted({largest_divisor(held, most) for most in (1, 2, 4, _most(held))}):
        row = cut_chunks(start, held // count)
        yield row, _folded(count, ring_size)
    yield row, assign_chunks(row, ring_size)


def _coarse(start: NDArray[np.int32], ring_size: int) -> Iterator[tuple[Chunks, Integers]]:
    """Layouts of chunks so long that most documents lie on few ranks."""
    held = len(start) // ring_size
    for count in sorted({largest_divisor(held, most) for most in COARSE if most < _most(held)}):
        row = cut_chunks(start, held // count)
        yield row, assign_chunks(row, ring_size)


def _most(held: int) -> int:
    """Chunks of a rank that holds `held` tokens."""
    return min(MAX_CHUNKS, max(2, held // SMALLEST_CHUNK, min(FEW, held // SMALLEST_OF_FEW)))


def _folded(count: int, ring_size: int) -> Integers:
    """The rank of each of count * ring_size chunks, back and forth: contiguous for a count of 1, zigzag for 2."""
    turn, rank = np.divmod(np.arange(count * ring_size, dtype=np.int64), ring_size)
    return np.where(turn % 2, ring_size - 1 - rank, rank)


def _order(ranks: Integers, length: int) -> NDArray[np.int32]:
    return np.arange(length, dtype=np.int32).reshape(len(ranks), -1)[np.argsort(ranks, kind="stable")].reshape(-1)
