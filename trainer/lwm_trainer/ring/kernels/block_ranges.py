"""Which blocks of keys one block of queries visits, and what of them each query may see.

The queries of a block see the keys [low, high), each its own. The keys that all of them see are visited in large blocks without a mask.
What remains at either side, where documents begin and the diagonal runs, is visited in small blocks with one. Blocks start where the
keys start that someone sees, at no multiple of anything, so that short documents waste little; a block that would pass the end of the
shard is moved back, and the keys that it has twice are hidden.

Letters: B rows, T query tokens, q and k the queries and keys of a block.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax


class Queries(NamedTuple):
    """One block of queries of one row."""

    row: Array
    at: Array
    """int32, its first token."""
    low_q: Array
    high_q: Array
    """int32, the keys that each query may see; none for the tokens that a block shares with the one before."""


class Cover(NamedTuple):
    """The blocks of keys that a block of queries visits; all int32 scalars."""

    left: Array
    """The first key that any query sees: masked blocks from here to `inner`."""
    inner: Array
    """Large blocks without a mask from here to `right`."""
    right: Array
    """Masked blocks from here to `end`."""
    end: Array
    """One past the last key that any query sees."""
    left_edges: Array
    """How many masked blocks lie before `inner`."""
    edges: Array
    """How many masked blocks there are, both sides."""


def query_blocks(tokens: int, size: int) -> int:
    """How many blocks the queries of one row make."""
    return -(-tokens // size)


def query_block(number: Array, low_BT: Array, high_BT: Array, size: int) -> Queries:
    """Block `number` of all rows, rows first."""
    tokens = low_BT.shape[1]
    row, own = number // query_blocks(tokens, size), number % query_blocks(tokens, size) * size
    at = jnp.minimum(own, tokens - size)
    fresh = at + jnp.arange(size, dtype=jnp.int32) >= own
    low, high = (lax.dynamic_slice(x, (row, at), (1, size))[0] for x in (low_BT, high_BT))
    return Queries(row, at, jnp.where(fresh, low, 0), jnp.where(fresh, high, 0))


def cover(queries: Queries, keys: int, edge: int, large: int | None = None) -> Cover:
    """The blocks for these queries in a shard of `keys` keys: masked ones of `edge` keys, and of `large` without a mask where given."""
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
    left_edges = -(-(inner - left) // edge)
    return Cover(left, inner, right, end, left_edges, left_edges - (-(end - right) // edge))


def edge_block(blocks: Cover, queries: Queries, number: Array, keys: int, size: int) -> tuple[Array, Array]:
    """Masked block `number`: its first key and which of its keys each query may see, bool[q, k]."""
    before = number < blocks.left_edges
    own = jnp.where(before, blocks.left + number * size, blocks.right + (number - blocks.left_edges) * size)
    last = jnp.where(before, blocks.inner, blocks.end)
    at = jnp.minimum(own, keys - size)
    key = at + jnp.arange(size, dtype=jnp.int32)
    low, high = jnp.maximum(queries.low_q, own), jnp.minimum(queries.high_q, last)
    return at, (key >= low[:, None]) & (key < high[:, None])
