"""Attention of local queries to one shard of keys, block by block, in plain XLA.

Blocks that no query of a block may see are never computed: the loop over key blocks runs from the smallest `low` to the largest `high`
of the query block. Running maximum, sum and output are carried in float32 from shard to shard (online softmax: Milakov and
Gimelshein 2018; blockwise: Rabe and Staats 2021, FlashAttention), so that nothing of size T x T is ever alive.

Letters: B rows, T query tokens, S key tokens, K key heads, G query heads per key head, C head width, q and k the block sizes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

NOTHING = -1e30
"""The maximum and log-sum-exp of a query that has seen no key: finite, so that no NaN arises from a difference of two."""


class Softmax(NamedTuple):
    """The online softmax of all queries, carried from shard to shard."""

    out_BTKGC: Array
    """float32, not yet divided by the sum."""
    top_BTKG: Array
    """float32, the largest score so far."""
    sum_BTKG: Array
    """float32, of exp(score - top)."""


def empty(q_BTKGC: Array) -> Softmax:
    """Before any key was seen; made from the queries so that it varies over the same mesh axes."""
    out = jnp.zeros_like(q_BTKGC, dtype=jnp.float32)
    return Softmax(out, out[..., 0] + NOTHING, out[..., 0])


def finish(carry: Softmax, dtype: jnp.dtype) -> tuple[Array, Array]:
    """(output [B, T, K, G, C] in `dtype`, log-sum-exp [B, T, K, G] in float32); zero and `NOTHING` where no key was seen."""
    seen = carry.sum_BTKG > 0
    total = jnp.where(seen, carry.sum_BTKG, 1.0)
    out = carry.out_BTKGC / total[..., None]
    lse = jnp.where(seen, carry.top_BTKG + jnp.log(total), NOTHING)
    return out.astype(dtype), lse


def block_size(tokens: int, largest: int) -> int:
    """The largest divisor of `tokens` that is at most `largest`."""
    return next(size for size in range(min(tokens, largest), 0, -1) if tokens % size == 0)


def _blocks(x: Array, size: int) -> Array:
    """[B, T, ...] to [B * T / size, size, ...], rows first."""
    batch, tokens = x.shape[:2]
    return x.reshape(batch * (tokens // size), size, *x.shape[2:])


def _span(low_q: Array, high_q: Array, size: int, blocks: int) -> tuple[Array, Array]:
    """The key blocks [first, last) that some query of the block may see; an empty span when none."""
    live = low_q < high_q
    first = jnp.min(jnp.where(live, low_q, blocks * size)) // size
    last = (jnp.max(jnp.where(live, high_q, 0)) + size - 1) // size
    return first.astype(jnp.int32), jnp.maximum(first, last).astype(jnp.int32)


def _visible(low_q: Array, high_q: Array, first_key: Array, size: int) -> Array:
    key = first_key + jnp.arange(size, dtype=jnp.int32)
    return (key[None, :] >= low_q[:, None]) & (key[None, :] < high_q[:, None])


@partial(jax.named_call, name="ring_forward")
def forward(carry: Softmax, q_BTKGC: Array, k_BSKC: Array, v_BSKC: Array, low_BT: Array, high_BT: Array, largest_block: int) -> Softmax:
    """Let the queries see one more shard. `low_BT`, `high_BT`: int32, local key numbers, see `ranges`."""
    _, tokens, *_, width = q_BTKGC.shape
    keys = k_BSKC.shape[1]
    q_size, k_size = block_size(tokens, largest_block), block_size(keys, largest_block)
    scale = width**-0.5

    def one_query_block(block: tuple[Array, ...]) -> Softmax:
        row, q, low, high, out, top, total = block
        k_row, v_row = (lax.dynamic_index_in_dim(x, row, keepdims=False) for x in (k_BSKC, v_BSKC))
        q_f32 = q.astype(jnp.float32) * scale

        def one_key_block(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            out, top, total = carry
            k, v = (lax.dynamic_slice_in_dim(x, number * k_size, k_size).astype(jnp.float32) for x in (k_row, v_row))
            score = jnp.einsum("qhgc,khc->qhgk", q_f32, k)
            visible = _visible(low, high, number * k_size, k_size)[:, None, None, :]
            score = jnp.where(visible, score, NOTHING)
            new_top = jnp.maximum(top, score.max(-1))
            weight = jnp.where(visible, jnp.exp(score - new_top[..., None]), 0.0)
            shrink = jnp.exp(top - new_top)
            return (
                out * shrink[..., None] + jnp.einsum("qhgk,khc->qhgc", weight, v),
                new_top,
                total * shrink + weight.sum(-1),
            )

        first, last = _span(low, high, k_size, keys // k_size)
        return Softmax(*lax.fori_loop(first, last, one_key_block, (out, top, total)))

    rows = _rows(q_BTKGC, q_size)
    parts = [_blocks(x, q_size) for x in (q_BTKGC, low_BT, high_BT, *carry)]
    done = lax.map(one_query_block, (rows, *parts))
    return Softmax(*(new.reshape(old.shape) for new, old in zip(done, carry, strict=True)))


@partial(jax.named_call, name="ring_backward")
def backward(
    grads: tuple[Array, Array, Array],
    q_BTKGC: Array,
    k_BSKC: Array,
    v_BSKC: Array,
    low_BT: Array,
    high_BT: Array,
    lse_BTKG: Array,
    dout_BTKGC: Array,
    delta_BTKG: Array,
    largest_block: int,
) -> tuple[Array, Array, Array]:
    """Add one shard's part to (dq [B, T, K, G, C], dk [B, S, K, C], dv [B, S, K, C]), all float32.

    `delta_BTKG` is the sum over C of dout * out (FlashAttention, section B.4): the softmax's own gradient needs nothing else.
    """
    dq_BTKGC, dk_BSKC, dv_BSKC = grads
    _, tokens, *_, width = q_BTKGC.shape
    keys = k_BSKC.shape[1]
    q_size, k_size = block_size(tokens, largest_block), block_size(keys, largest_block)
    scale = width**-0.5

    def one_query_block(carry: tuple[Array, Array], block: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        row, q, low, high, lse, dout, delta, dq = block
        k_row, v_row = (lax.dynamic_index_in_dim(x, row, keepdims=False) for x in (k_BSKC, v_BSKC))
        q_f32, dout_f32 = q.astype(jnp.float32), dout.astype(jnp.float32)

        def one_key_block(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            dq, dk, dv = carry
            at = number * k_size
            k, v = (lax.dynamic_slice_in_dim(x, at, k_size).astype(jnp.float32) for x in (k_row, v_row))
            score = jnp.einsum("qhgc,khc->qhgk", q_f32, k) * scale
            visible = _visible(low, high, at, k_size)[:, None, None, :]
            weight = jnp.where(visible, jnp.exp(score - lse[..., None]), 0.0)
            dweight = jnp.einsum("qhgc,khc->qhgk", dout_f32, v)
            dscore = weight * (dweight - delta[..., None]) * scale
            dq = dq + jnp.einsum("qhgk,khc->qhgc", dscore, k)
            dk = _add_block(dk, jnp.einsum("qhgk,qhgc->khc", dscore, q_f32), row, at)
            dv = _add_block(dv, jnp.einsum("qhgk,qhgc->khc", weight, dout_f32), row, at)
            return dq, dk, dv

        first, last = _span(low, high, k_size, keys // k_size)
        dq, dk, dv = lax.fori_loop(first, last, one_key_block, (dq, *carry))
        return (dk, dv), dq

    rows = _rows(q_BTKGC, q_size)
    parts = [_blocks(x, q_size) for x in (q_BTKGC, low_BT, high_BT, lse_BTKG, dout_BTKGC, delta_BTKG, dq_BTKGC)]
    (dk, dv), dq = lax.scan(one_query_block, (dk_BSKC, dv_BSKC), (rows, *parts))
    return dq.reshape(dq_BTKGC.shape), dk, dv


def _rows(q: Array, size: int) -> Array:
    """The row of each query block."""
    batch, tokens = q.shape[:2]
    return jnp.repeat(jnp.arange(batch, dtype=jnp.int32), tokens // size)


def _add_block(total: Array, part: Array, row: Array, at: Array) -> Array:
    """total[row, at : at + len(part)] += part, in place in a loop."""
    zero = jnp.zeros_like(at)
    old = lax.dynamic_slice(total, (row, at, zero, zero), (1, *part.shape))
    return lax.dynamic_update_slice(total, old + part[None], (row, at, zero, zero))
