"""Attention of local queries to one shard of keys, block by block, in plain XLA.

Only the blocks of `key_block_ranges` are computed. The running maximum, sum and output are carried from shard to shard in float32 (online
softmax: Milakov and Gimelshein 2018, arXiv 1805.02867; blockwise attention: Rabe and Staats 2021, arXiv 2112.05682; Dao et al. 2022,
FlashAttention), so that nothing of size T x T is ever in memory. Blocks are read from and added to whole arrays in place, so that a hop
copies nothing.

A masked score is twice `EMPTY_SCORE`, so its weight is zero even for a query whose maximum still is `EMPTY_SCORE`: no second mask is
needed.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width; r = G * q the queries of a block
for one key head, q and k the tokens of a block.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from lwm_trainer.ring.kernels.block_ranges import QueryBlock, key_block_ranges, masked_block, query_block, query_block_count
from lwm_trainer.ring.kernels.protocol import QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import EMPTY_SCORE, OnlineSoftmax

MASKED_SCORE = 2 * EMPTY_SCORE


class Blockwise(NamedTuple):
    """The backend for every platform."""

    largest_block: int = 256
    """Keys of a block without a mask, at most. Blocks of queries and masked blocks of keys have half of that."""

    def forward(self, carry: OnlineSoftmax, shard: Shard) -> OnlineSoftmax:
        return _forward(carry, shard, self.largest_block)

    def backward(self, dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals) -> tuple[Array, Array, Array]:
        return _backward(dq_BKGTC, shard, residuals, self.largest_block)


@partial(jax.named_call, name="ring_forward")
def _forward(carry: OnlineSoftmax, shard: Shard, largest_block: int) -> OnlineSoftmax:
    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    batch, _, group, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    q_size, k_size, large = _sizes(tokens, keys, largest_block)

    def one_query_block(number: Array, whole: OnlineSoftmax) -> OnlineSoftmax:
        queries = query_block(number, low_BT, high_BT, q_size)
        q = _queries_of(q_BKGTC, queries) * width**-0.5
        blocks = key_block_ranges(queries, keys, k_size, large)

        def attend_block(carry: OnlineSoftmax, at: Array, size: int, visible: Array | None) -> OnlineSoftmax:
            out, top, total = carry
            k, v = _keys_of(k_BKSC, queries, at, size), _keys_of(v_BKSC, queries, at, size)
            score = jnp.einsum("hrc,hkc->hrk", q, k)
            if visible is not None:
                score = jnp.where(jnp.tile(visible, (group, 1)), score, MASKED_SCORE)
            new_top = jnp.maximum(top, score.max(-1))
            weight, shrink = jnp.exp(score - new_top[..., None]), jnp.exp(top - new_top)
            out = out * shrink[..., None] + jnp.einsum("hrk,hkc->hrc", weight, v)
            return OnlineSoftmax(out, new_top, total * shrink + weight.sum(-1))

        def attend_full(number: Array, carry: OnlineSoftmax) -> OnlineSoftmax:
            return attend_block(carry, blocks.inner + number * large, large, None)

        def attend_masked(number: Array, carry: OnlineSoftmax) -> OnlineSoftmax:
            at, visible = masked_block(blocks, queries, number, keys, k_size)
            return attend_block(carry, at, k_size, visible)

        carry = OnlineSoftmax(*(_queries_of(x, queries) for x in whole))
        carry = lax.fori_loop(0, (blocks.right - blocks.inner) // large, attend_full, carry)
        carry = lax.fori_loop(0, blocks.masked, attend_masked, carry)
        return OnlineSoftmax(*(_with_queries(x, part, queries) for x, part in zip(whole, carry, strict=True)))

    done: OnlineSoftmax = lax.fori_loop(0, batch * query_block_count(tokens, q_size), one_query_block, carry)
    return done


@partial(jax.named_call, name="ring_backward")
def _backward(dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals, largest_block: int) -> tuple[Array, Array, Array]:
    """Scores are [keys, queries], so that only one of the five products, the one for dq, has a transposed operand.

    All blocks are masked: beside five products the mask costs nothing measurable, and a second loop would cost compile time.
    """
    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    lse_BKGT, dout_BKGTC, delta_BKGT = residuals
    batch, _, group, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    q_size, k_size, _ = _sizes(tokens, keys, largest_block)
    scale = width**-0.5

    def one_query_block(number: Array, whole: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        queries = query_block(number, low_BT, high_BT, q_size)
        q, dout = _queries_of(q_BKGTC, queries) * scale, _queries_of(dout_BKGTC, queries)
        lse, delta = _queries_of(lse_BKGT, queries)[:, None], _queries_of(delta_BKGT, queries)[:, None]
        blocks = key_block_ranges(queries, keys, k_size)

        def attend_masked(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            dq, dk, dv = carry
            at, visible = masked_block(blocks, queries, number, keys, k_size)
            k, v = _keys_of(k_BKSC, queries, at, k_size), _keys_of(v_BKSC, queries, at, k_size)
            score = jnp.where(jnp.tile(visible.T, (1, group)), jnp.einsum("hkc,hrc->hkr", k, q), MASKED_SCORE)
            weight = jnp.exp(score - lse)
            dscore = weight * (jnp.einsum("hkc,hrc->hkr", v, dout) - delta)
            dq = dq + jnp.einsum("hkr,hkc->hrc", dscore, k)
            dk = _add_keys(dk, jnp.einsum("hkr,hrc->hkc", dscore, q), queries, at)
            dv = _add_keys(dv, jnp.einsum("hkr,hrc->hkc", weight, dout), queries, at)
            return dq, dk, dv

        dq_whole, dk, dv = whole
        dq, dk, dv = lax.fori_loop(0, blocks.masked, attend_masked, (jnp.zeros_like(q), dk, dv))
        return _with_queries(dq_whole, _queries_of(dq_whole, queries) + dq * scale, queries), dk, dv

    zeros = jnp.zeros_like(k_BKSC, jnp.float32), jnp.zeros_like(v_BKSC, jnp.float32)
    done: tuple[Array, Array, Array] = lax.fori_loop(0, batch * query_block_count(tokens, q_size), one_query_block, (dq_BKGTC, *zeros))
    return done


def _sizes(tokens: int, keys: int, largest_block: int) -> tuple[int, int, int]:
    """Tokens of a block of queries, of a masked block of keys, and of a block of keys without a mask."""
    half = max(1, largest_block // 2)
    return min(tokens, half), min(keys, half), min(keys, largest_block)


def _queries_of(x_BKGT: Array, queries: QueryBlock) -> Array:
    """The query block of [B, K, G, T, ...], as float32[K, r, ...]."""
    _, key_heads, group, _, *rest = x_BKGT.shape
    size = len(queries.low_q)
    part = lax.dynamic_slice_in_dim(lax.dynamic_index_in_dim(x_BKGT, queries.row, keepdims=False), queries.start, size, axis=2)
    return part.astype(jnp.float32).reshape(key_heads, group * size, *rest)


def _with_queries(x_BKGT: Array, part_Kr: Array, queries: QueryBlock) -> Array:
    """`x_BKGT` with the query block replaced; XLA updates it in place within a loop."""
    _, key_heads, group, _, *rest = x_BKGT.shape
    part = part_Kr.reshape(1, key_heads, group, len(queries.low_q), *rest)
    return lax.dynamic_update_slice(x_BKGT, part, _start(x_BKGT, queries.row, 3, queries.start))


def _keys_of(x_BKSC: Array, queries: QueryBlock, at: Array, size: int) -> Array:
    """The keys or values from `at` on, in the row of the queries; float32[K, size, C]."""
    part = lax.dynamic_slice_in_dim(lax.dynamic_index_in_dim(x_BKSC, queries.row, keepdims=False), at, size, axis=1)
    return part.astype(jnp.float32)


def _add_keys(total_BKSC: Array, part_KkC: Array, queries: QueryBlock, at: Array) -> Array:
    """`total_BKSC` with the part added from key `at` on; XLA updates it in place within a loop."""
    part = _keys_of(total_BKSC, queries, at, part_KkC.shape[1]) + part_KkC
    return lax.dynamic_update_slice(total_BKSC, part[None], _start(total_BKSC, queries.row, 2, at))


def _start(x: Array, row: Array, axis: int, at: Array) -> tuple[Array, ...]:
    """Start indices of an update in a row, from `at` on along one axis."""
    zero = jnp.zeros_like(at)
    return tuple(row if number == 0 else at if number == axis else zero for number in range(x.ndim))
