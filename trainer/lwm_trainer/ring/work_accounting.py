"""Exact accounts of attention work: pairs of a query and a key that a row needs, and that a layout computes, by rank and hop.

A device computes whole blocks: for each block of its queries, key blocks from the first key that some query of the block may see to
the last (`cover`, as `blockwise` goes through it backward), and nothing of a shard of which no query sees a key.

Letters: S tokens, N ring size, T = S / N tokens of a rank.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.ring.chunks import by_hop

Starts = NDArray[np.int32]


class Work(NamedTuple):
    """What one row costs under one layout. Pairs; a ring ends each hop with its slowest rank."""

    needed: int
    """Pairs that some query may see: the same for every layout."""
    by_hop: NDArray[np.int64]
    """int64[N, N], computed pairs by (rank, hop)."""

    @property
    def computed(self) -> int:
        return int(self.by_hop.sum())

    @property
    def waste(self) -> float:
        """Computed by needed; 1 for a row without any pair."""
        return self.computed / self.needed if self.needed else 1.0

    @property
    def imbalance(self) -> float:
        """The busiest rank's pairs by the mean; the time of a ring whose ranks never wait for each other, 1 at best."""
        return self._by_mean(int(self.by_hop.sum(axis=1).max()))

    @property
    def critical(self) -> float:
        """The slowest rank's pairs of each hop, summed, by the mean rank's pairs; the time of a ring that waits at each hop."""
        return self._by_mean(int(self.by_hop.max(axis=0).sum()))

    @property
    def hops(self) -> int:
        """Hops from the first to the last in which a rank sees a key: the ring ends there."""
        return 1 + int(np.max(np.flatnonzero(self.by_hop.any(axis=0)), initial=0))

    def _by_mean(self, pairs: int) -> float:
        return pairs * len(self.by_hop) / self.computed if self.computed else 1.0


def needed(start: Starts) -> int:
    """Pairs of a query and a key that it may see, of a row `start`, int32[S]."""
    return int((np.arange(1, len(start) + 1, dtype=np.int64) - start).sum())


def work(start: Starts, order: NDArray[np.int32], ring_size: int, query_block: int = 1, key_block: int = 1) -> Work:
    """The account of the row `start` whose places the ranks hold in `order`, both int32[S].

    Blocks of one token count the pairs that are needed.
    """
    held = len(order) // ring_size
    blocks = _query_blocks(held, min(query_block, held), ring_size)
    first, behind = start[order], order + np.int32(1)
    owner = np.empty(len(order), np.int32)
    owner[order] = np.repeat(np.arange(ring_size, dtype=np.int32), held)
    before = np.zeros(len(order) + 1, np.int32)
    by_holder = np.empty((ring_size, ring_size), np.int64)
    for holder in range(ring_size):
        np.cumsum(owner == holder, out=before[1:])  # of the holder's tokens, how many stand before each place
        seen = _blocks_seen(before[first][blocks], before[behind][blocks], min(key_block, held))
        by_holder[:, holder] = seen.reshape(ring_size, -1).sum(axis=1, dtype=np.int64)
    return Work(needed(start), by_hop(by_holder * (blocks.shape[1] * min(key_block, held))))


def _query_blocks(held: int, size: int, ring_size: int) -> NDArray[np.int64]:
    """The tokens of each block of queries, [blocks, queries], rank after rank; a last block reaches back and shows its tokens once."""
    own = np.arange(0, held, size)
    at = np.minimum(own, held - size)
    tokens = at[:, None] + np.arange(size)
    tokens = np.where(tokens >= own[:, None], tokens, held - 1)
    return (np.arange(ring_size)[:, None, None] * held + tokens).reshape(-1, size)


def _blocks_seen(low: NDArray[np.int32], high: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Key blocks that each query block computes; low and high are [blocks, queries], a query that sees nothing has low >= high."""
    live = low < high
    end = np.where(live, high, 0).max(axis=1)
    left = np.minimum(np.where(live, low, np.iinfo(np.int32).max).min(axis=1), end)
    seen: NDArray[np.int32] = -(-(end - left) // size)
    return seen
