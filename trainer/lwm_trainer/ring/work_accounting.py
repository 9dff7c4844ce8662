"""Exact accounts of attention work: the pairs of a query and a key that a row needs, and those that a layout computes, by rank and hop.

A device computes whole blocks. For each block of its queries it computes key blocks from the first key that some query of the block sees
to the last (`key_block_ranges`, as the backward pass of `blockwise` uses them), and nothing of a shard of which no query sees a key.

Letters: S tokens, N ring size, T = S / N tokens of a rank.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.ring.chunks import holder_to_hop

Starts = NDArray[np.int32]


class AttentionWork(NamedTuple):
    """The attention work of one row under one layout, in pairs. Each hop of a ring ends with its slowest rank."""

    needed: int
    """Visible pairs: the same for every layout."""
    by_hop: NDArray[np.int64]
    """int64[N, N], computed pairs by (rank, hop)."""

    @property
    def computed(self) -> int:
        """Computed pairs of all ranks and hops."""
        return int(self.by_hop.sum())

    @property
    def waste(self) -> float:
        """Computed over needed pairs; 1 for a row without any pair."""
        return self.computed / self.needed if self.needed else 1.0

    @property
    def imbalance(self) -> float:
        """The busiest rank's pairs over the mean rank's, at best 1: the time of a ring whose ranks never wait for each other."""
        return self._by_mean(int(self.by_hop.sum(axis=1).max()))

    @property
    def critical_path(self) -> float:
        """The slowest rank's pairs of each hop, summed, over the mean rank's: the time of a ring whose ranks wait at each hop."""
        return self._by_mean(int(self.by_hop.max(axis=0).sum()))

    @property
    def hops(self) -> int:
        """Hops until the last at which a rank sees a key, where the ring ends."""
        return 1 + int(np.max(np.flatnonzero(self.by_hop.any(axis=0)), initial=0))

    def _by_mean(self, pairs: int) -> float:
        return pairs * len(self.by_hop) / self.computed if self.computed else 1.0


def needed_pairs(start: Starts) -> int:
    """Visible pairs of a row. `start` is int32[S], the first place that each token sees."""
    return int((np.arange(1, len(start) + 1, dtype=np.int64) - start).sum())


def attention_work(start: Starts, order: NDArray[np.int32], ring_size: int, query_block: int = 1, key_block: int = 1) -> AttentionWork:
    """Count the work of a row.

    Args:
        start: int32[S], the first place that each token sees.
        order: int32[S], the places of the row, rank after rank, as `layout` returns them.
        query_block, key_block: tokens of a block; with blocks of one token the computed pairs are the needed ones.
    """
    held = len(order) // ring_size
    blocks = _query_blocks(held, min(query_block, held), ring_size)
    first, stop = start[order], order + np.int32(1)
    owner = np.empty(len(order), np.int32)
    owner[order] = np.repeat(np.arange(ring_size, dtype=np.int32), held)
    before = np.zeros(len(order) + 1, np.int32)
    by_holder = np.empty((ring_size, ring_size), np.int64)
    for holder in range(ring_size):
        np.cumsum(owner == holder, out=before[1:])  # how many of the holder's tokens stand before each place
        seen = _blocks_seen(before[first][blocks], before[stop][blocks], min(key_block, held))
        by_holder[:, holder] = seen.reshape(ring_size, -1).sum(axis=1, dtype=np.int64)
    return AttentionWork(needed_pairs(start), holder_to_hop(by_holder * (blocks.shape[1] * min(key_block, held))))


def _query_blocks(held: int, size: int, ring_size: int) -> NDArray[np.int64]:
    """The tokens of each query block, [blocks, queries], rank after rank. The last block of a rank overlaps the one before it; the shared
    tokens are replaced by the rank's last token, so that none counts twice."""
    own = np.arange(0, held, size)
    at = np.minimum(own, held - size)
    tokens = at[:, None] + np.arange(size)
    tokens = np.where(tokens >= own[:, None], tokens, held - 1)
    return (np.arange(ring_size)[:, None, None] * held + tokens).reshape(-1, size)


def _blocks_seen(low: NDArray[np.int32], high: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Key blocks that each query block computes. `low` and `high` are [blocks, queries]; a query without keys has low >= high."""
    live = low < high
    end = np.where(live, high, 0).max(axis=1)
    left = np.minimum(np.where(live, low, np.iinfo(np.int32).max).min(axis=1), end)
    seen: NDArray[np.int32] = -(-(end - left) // size)
    return seen
