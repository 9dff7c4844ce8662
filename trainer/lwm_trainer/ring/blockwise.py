"""Attention of local queries to one shard of keys, block by block, in plain XLA.

Blocks that no query of a block may see are never computed: the loop over key blocks runs from the smallest `low` to the largest `high`
of the query block. Running maximum, sum and output are carried in float32 from shard to shard (online softmax: Milakov and
Gimelshein 2018; blockwise: Rabe and Staats 2021, FlashAttention), so that nothing of size T x T is ever alive.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width, q and k the block sizes.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from lwm_trainer.ring.softmax import NOTHING, Softmax


def block_size(tokens: int, largest: int) -> int:
    """The largest divisor of `tokens` that is at most `largest`."""
    return next(size for size in range(min(tokens, largest), 0, -1) if tokens % size == 0)


def _span(low_q: Array, high_q: Array, size: int, blocks: int) -> tuple[Array, Array]:
    """The key blocks [first, last) that some query of the block may see; an empty span when none."""
    live = low_q < high_q
    first = jnp.min(jnp.where(live, low_q, blocks * size)) // size
    last = (jnp.max(jnp.where(live, high_q, 0)) + size - 1) // size
    return first.astype(jnp.int32), jnp.maximum(first, last).astype(jnp.int32)


def _visible(low_q: Array, high_q: Array, first_key: Array, size: int) -> Array:
    key = first_key + jnp.arange(size, dtype=jnp.int32)
    return (key[None, :] >= low_q[:, None]) & (key[None, :] < high_q[:, None])


class Blockwise(NamedTuple):
    """The inner loop for every platform."""

    largest_block: int = 256
    """Tokens of a query or key block at most."""

    def forward(self, carry: Softmax, q_BKGTC: Array, k_BKSC: Array, v_BKSC: Array, low_BT: Array, high_BT: Array) -> Softmax:
        return _forward(carry, q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT, self.largest_block)

    def backward(
        self,
        dq_BKGTC: Array,
        q_BKGTC: Array,
        k_BKSC: Array,
        v_BKSC: Array,
        low_BT: Array,
        high_BT: Array,
        lse_BKGT: Array,
        dout_BKGTC: Array,
        delta_BKGT: Array,
    ) -> tuple[Array, Array, Array]:
        return _backward(dq_BKGTC, q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT, lse_BKGT, dout_BKGTC, delta_BKGT, self.largest_block)


@partial(jax.named_call, name="ring_forward")
def _forward(carry: Softmax, q_BKGTC: Array, k_BKSC: Array, v_BKSC: Array, low_BT: Array, high_BT: Array, largest_block: int) -> Softmax:
    batch, _, _, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    q_size, k_size = block_size(tokens, largest_block), block_size(keys, largest_block)
    scale = width**-0.5

    def one_query_block(block: tuple[Array, ...]) -> Softmax:
        row, q, low, high, out, top, total = block
        k_row, v_row = (lax.dynamic_index_in_dim(x, row, keepdims=False) for x in (k_BKSC, v_BKSC))
        q_f32 = q.astype(jnp.float32) * scale

        def one_key_block(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            out, top, total = carry
            at = number * k_size
            k, v = (lax.dynamic_slice_in_dim(x, at, k_size, axis=1).astype(jnp.float32) for x in (k_row, v_row))
            score = jnp.einsum("hgqc,hkc->hgqk", q_f32, k)
            visible = _visible(low, high, at, k_size)
            score = jnp.where(visible, score, NOTHING)
            new_top = jnp.maximum(top, score.max(-1))
            weight = jnp.where(visible, jnp.exp(score - new_top[..., None]), 0.0)
            shrink = jnp.exp(top - new_top)
            return (
                out * shrink[..., None] + jnp.einsum("hgqk,hkc->hgqc", weight, v),
                new_top,
                total * shrink + weight.sum(-1),
            )

        first, last = _span(low, high, k_size, keys // k_size)
        return Softmax(*lax.fori_loop(first, last, one_key_block, (out, top, total)))

    rows = jnp.repeat(jnp.arange(batch, dtype=jnp.int32), tokens // q_size)
    parts = [_blocks(x, q_size) for x in (q_BKGTC, low_BT[:, None, None], high_BT[:, None, None], *carry)]
    parts[1], parts[2] = parts[1][:, 0, 0], parts[2][:, 0, 0]
    done = lax.map(one_query_block, (rows, *parts))
    return Softmax(*(_joined(new, batch) for new in done))


@partial(jax.named_call, name="ring_backward")
def _backward(
    dq_BKGTC: Array,
    q_BKGTC: Array,
    k_BKSC: Array,
    v_BKSC: Array,
    low_BT: Array,
    high_BT: Array,
    lse_BKGT: Array,
    dout_BKGTC: Array,
    delta_BKGT: Array,
    largest_block: int,
) -> tuple[Array, Array, Array]:
    batch, _, _, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    q_size, k_size = block_size(tokens, largest_block), block_size(keys, largest_block)
    scale = width**-0.5

    def one_query_block(carry: tuple[Array, Array], block: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        row, q, low, high, lse, dout, delta, dq = block
        k_row, v_row = (lax.dynamic_index_in_dim(x, row, keepdims=False) for x in (k_BKSC, v_BKSC))
        q_f32, dout_f32 = q.astype(jnp.float32), dout.astype(jnp.float32)

        def one_key_block(number: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            dq, dk, dv = carry
            at = number * k_size
            k, v = (lax.dynamic_slice_in_dim(x, at, k_size, axis=1).astype(jnp.float32) for x in (k_row, v_row))
            score = jnp.einsum("hgqc,hkc->hgqk", q_f32, k) * scale
            visible = _visible(low, high, at, k_size)
            weight = jnp.where(visible, jnp.exp(score - lse[..., None]), 0.0)
            dweight = jnp.einsum("hgqc,hkc->hgqk", dout_f32, v)
            dscore = weight * (dweight - delta[..., None]) * scale
            dq = dq + jnp.einsum("hgqk,hkc->hgqc", dscore, k)
            dk = _add_block(dk, jnp.einsum("hgqk,hgqc->hkc", dscore, q_f32), row, at)
            dv = _add_block(dv, jnp.einsum("hgqk,hgqc->hkc", weight, dout_f32), row, at)
            return dq, dk, dv

        first, last = _span(low, high, k_size, keys // k_size)
        dq, dk, dv = lax.fori_loop(first, last, one_key_block, (dq, *carry))
        return (dk, dv), dq

    rows = jnp.repeat(jnp.arange(batch, dtype=jnp.int32), tokens // q_size)
    inputs = (q_BKGTC, low_BT[:, None, None], high_BT[:, None, None], lse_BKGT, dout_BKGTC, delta_BKGT, dq_BKGTC)
    parts = [_blocks(x, q_size) for x in inputs]
    parts[1], parts[2] = parts[1][:, 0, 0], parts[2][:, 0, 0]
    zeros = tuple(jnp.zeros_like(x, dtype=jnp.float32) for x in (k_BKSC, v_BKSC))
    (dk, dv), dq = lax.scan(one_query_block, zeros, (rows, *parts))
    return _joined(dq, batch), dk, dv


def _blocks(x: Array, size: int) -> Array:
    """[B, K, G, T, ...] to [B * T / size, K, G, size, ...], rows first."""
    batch, key_heads, group, tokens, *rest = x.shape
    x = x.reshape(batch, key_heads, group, tokens // size, size, *rest)
    return jnp.moveaxis(x, 3, 1).reshape(-1, key_heads, group, size, *rest)


def _joined(x: Array, batch: int) -> Array:
    """The inverse of `_blocks`."""
    _, key_heads, group, size, *rest = x.shape
    x = x.reshape(batch, -1, key_heads, group, size, *rest)
    return jnp.moveaxis(x, 1, 3).reshape(batch, key_heads, group, -1, *rest)


def _add_block(total: Array, part: Array, row: Array, at: Array) -> Array:
    """total[row, :, at : at + len(part)] += part, in place in a loop."""
    zero = jnp.zeros_like(at)
    old = lax.dynamic_slice(total, (row, zero, at, zero), (1, *part.shape))
    return lax.dynamic_update_slice(total, old + part[None], (row, zero, at, zero))
