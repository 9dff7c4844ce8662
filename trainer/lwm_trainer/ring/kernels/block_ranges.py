"""Which blocks of keys one block of queries needs, and which of their keys each query may see.

Each query of a block sees its own range of keys [low, high). The keys that all queries see are computed in large blocks without a mask. The
rest on either side, where documents begin and where the diagonal runs, is computed in small blocks with a mask. Blocks start at the first
key that some query sees, not at a multiple of the block size, so that short documents waste little. A block that would pass the end of the
shard is moved back, and the keys that it shares with the block before are masked.

Letters: B rows, T query tokens, q and k the queries and keys of a block.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax


class QueryBlock(NamedTuple):
    """One block of queries of one row."""

    row: Array
    start: Array
    """int32, its first token."""
    low_q: Array
    high_q: Array
    """int32, the keys that each query may see; none for tokens that the block shares with the block before."""


class KeyBlockRanges(NamedTuple):
    """The ranges of keys that a block of queries needs; all int32 scalars."""

    left: Array
    """The first key that any query sees. Masked blocks cover the keys from here to `inner`."""
    inner: Array
    """Large blocks without a mask cover the keys from here to `right`."""
    right: Array
    """Masked blocks cover the keys from here to `end`."""
    end: Array
    """One past the last key that any query sees."""
    left_masked: Array
    """Number of masked blocks before `inner`."""
    masked: Array
    """Number of masked blocks on both sides."""


def query_block_count(tokens: int, size: int) -> int:
    """Number of query blocks of one row."""
    return -(-tokens // size)


def query_block(number: Array, low_BT: Array, high_BT: Array, size: int) -> QueryBlock:
    """Query block `number`, counted over all rows, row by row."""
    tokens = low_BT.shape[1]
    row, own = number // query_block_count(tokens, size), number % query_block_count(tokens, size) * size
    start = jnp.minimum(own, tokens - size)
    fresh = start + jnp.arange(size, dtype=jnp.int32) >= own
    low, high = (lax.dynamic_slice(x, (row, start), (1, size))[0] for x in (low_BT, high_BT))
    return QueryBlock(row, start, jnp.where(fresh, low, 0), jnp.where(fresh, high, 0))


def key_block_ranges(queries: QueryBlock, keys: int, masked_size: int, large: int | None = None) -> KeyBlockRanges:
    """The ranges for these queries in a shard of `keys` keys.

    Args:
        masked_size: keys of a masked block.
        large: keys of a block without a mask; None: all blocks are masked.
    """
    live = queries.low_q < queries.high_q
    end = jnp.max(jnp.where(live, queries.high_q, 0))
    left = jnp.minimum(jnp.min(jnp.where(live, queries.low_q, keys)), end)
    if large is None:
        inner = right = left
    else:
        shared = jnp.max(queries.low_q)
        count = jnp.maximum(jnp.min(queries.high_q) - shared, 0) // large
        inner = jnp.where(count > 0, shared, left)
        right = inner + count * large
    left_masked = -(-(inner - left) // masked_size)
    return KeyBlockRanges(left, inner, right, end, left_masked, left_masked - (-(end - right) // masked_size))


def masked_block(blocks: KeyBlockRanges, queries: QueryBlock, number: Array, keys: int, size: int) -> tuple[Array, Array]:
    """Masked block `number`: its first key, and which of its keys each query may see, bool[q, k]."""
    before = number < blocks.left_masked
    own = jnp.where(before, blocks.left + number * size, blocks.right + (number - blocks.left_masked) * size)
    last = jnp.where(before, blocks.inner, blocks.end)
    start = jnp.minimum(own, keys - size)
    key = start + jnp.arange(size, dtype=jnp.int32)
    low, high = jnp.maximum(queries.low_q, own), jnp.minimum(queries.high_q, last)
    return start, (key >= low[:, None]) & (key < high[:, None])
