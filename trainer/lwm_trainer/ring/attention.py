"""The rotation: keys and values travel round the ring, queries and outputs stay (Liu et al. 2023, Blockwise RingAttention).

Forward: N - 1 hops, each issued before the compute that it hides behind. Backward: the shard's gradients travel with it and
arrive home with one hop more. The pair (output, log-sum-exp) is saved under the names below, so that rematerialisation of a layer
does not run the ring again. Keys and values travel in their own dtype with their own head count; all sums are float32.

Letters: B rows, T local tokens, K key heads, G query heads per key head, C head width, N ring size.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring import blockwise
from lwm_trainer.ring.ranges import key_ranges

OUT_NAME = "ring_out"
LSE_NAME = "ring_lse"
SAVED_NAMES = (OUT_NAME, LSE_NAME)
"""What a rematerialised layer keeps, so that its backward pass does not run the ring again."""


class Axes(NamedTuple):
    """The names of mesh axes that shard rows, tokens and heads."""

    rows: tuple[str, ...]
    ring: str
    heads: str


def ring_attention(
    mesh: jax.sharding.Mesh, axes: Axes, index_BT: Array, start_BT: Array, largest_block: int = 256
) -> Callable[[Array, Array, Array], Array]:
    """Attention for one batch: the key ranges of every hop are computed here once and used by every layer.

    Args:
        mesh: the device mesh; rows lie over `axes.rows`, tokens over `axes.ring`, heads over `axes.heads`.
        index_BT: int32, each token's place in its row, ascending within a rank.
        start_BT: int32, the place where the token's document starts; index + 1 for padding.
        largest_block: upper bound of the block size of queries and keys, in tokens.

    Returns:
        A differentiable function of global arrays q [B, T, H, C], k and v [B, T, K, C], where K divides H; the output has q's shape and
        dtype, and is zero for a query without keys.
    """
    size = mesh.shape[axes.ring]
    tokens = P(axes.rows, axes.ring)
    heads = P(axes.rows, axes.ring, axes.heads)
    ranges = P(None, axes.rows, axes.ring)
    shard = partial(jax.shard_map, mesh=mesh)

    low, high = shard(partial(_hop_ranges, axis=axes.ring, size=size), in_specs=(tokens, tokens), out_specs=(ranges, ranges))(
        index_BT, start_BT
    )
    run_forward = shard(
        partial(_forward, axis=axes.ring, size=size, largest_block=largest_block),
        in_specs=(heads, heads, heads, ranges, ranges),
        out_specs=(heads, heads),
    )
    run_backward = shard(
        partial(_backward, axis=axes.ring, size=size, largest_block=largest_block),
        in_specs=(heads, heads, heads, ranges, ranges, heads, heads, heads),
        out_specs=(heads, heads, heads),
    )

    @jax.custom_vjp
    def attend(q: Array, k: Array, v: Array, low: Array, high: Array) -> Array:
        out, _ = run_forward(q, k, v, low, high)
        return out  # type: ignore[no-any-return]

    def attend_forward(q: Array, k: Array, v: Array, low: Array, high: Array) -> tuple[Array, tuple[Array, ...]]:
        out, lse = run_forward(q, k, v, low, high)
        out, lse = checkpoint_name(out, OUT_NAME), checkpoint_name(lse, LSE_NAME)
        return out, (q, k, v, low, high, out, lse)

    def attend_backward(saved: tuple[Array, ...], dout: Array) -> tuple[Array | None, ...]:
        return (*run_backward(*saved, dout), None, None)

    attend.defvjp(attend_forward, attend_backward)
    return lambda q, k, v: attend(q, k, v, low, high)


def _hop_ranges(index_BT: Array, start_BT: Array, *, axis: str, size: int) -> tuple[Array, Array]:
    """(low, high) of shape [N, B, T]: entry n belongs to the shard that arrives at hop n, which is rank (this - n) mod N's."""
    by_rank = lax.all_gather(index_BT, axis)
    arriving = (lax.axis_index(axis) - jnp.arange(size, dtype=jnp.int32)) % size
    return key_ranges(index_BT, start_BT, by_rank[arriving])


def _next(axis: str, size: int, *shards: Array) -> tuple[Array, ...]:
    order = [(rank, (rank + 1) % size) for rank in range(size)]
    return tuple(lax.ppermute(shard, axis, order) for shard in shards)


def _grouped(q: Array, key_heads: int) -> Array:
    """[B, T, H, ...] to [B, T, K, G, ...]: query heads of one key head side by side."""
    return q.reshape(*q.shape[:2], key_heads, q.shape[2] // key_heads, *q.shape[3:])


def _forward(q: Array, k: Array, v: Array, low: Array, high: Array, *, axis: str, size: int, largest_block: int) -> tuple[Array, Array]:
    q_grouped = _grouped(q, k.shape[2])

    def hop(
        carry: tuple[Array, Array, blockwise.Softmax], ranges: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array, blockwise.Softmax], None]:
        k, v, softmax = carry
        k_next, v_next = _next(axis, size, k, v)
        return (k_next, v_next, blockwise.forward(softmax, q_grouped, k, v, *ranges, largest_block)), None

    (k, v, softmax), _ = lax.scan(hop, (k, v, blockwise.empty(q_grouped)), (low[:-1], high[:-1]))
    softmax = blockwise.forward(softmax, q_grouped, k, v, low[-1], high[-1], largest_block)
    out, lse = blockwise.finish(softmax, q.dtype)
    return out.reshape(q.shape), lse.reshape(q.shape[:3])


class _Backward(NamedTuple):
    """What travels (k, v and their gradients) and what stays (dq)."""

    k: Array
    v: Array
    dq: Array
    dk: Array
    dv: Array


def _backward(
    q: Array, k: Array, v: Array, low: Array, high: Array, out: Array, lse: Array, dout: Array, *, axis: str, size: int, largest_block: int
) -> tuple[Array, Array, Array]:
    key_heads = k.shape[2]
    q_grouped, lse_grouped, dout_grouped = (_grouped(x, key_heads) for x in (q, lse, dout))
    delta = _grouped(jnp.sum(dout.astype(jnp.float32) * out.astype(jnp.float32), axis=-1), key_heads)

    def see(grads: tuple[Array, Array, Array], k: Array, v: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
        return blockwise.backward(grads, q_grouped, k, v, low, high, lse_grouped, dout_grouped, delta, largest_block)

    def hop(carry: _Backward, ranges: tuple[Array, Array]) -> tuple[_Backward, None]:
        k_next, v_next = _next(axis, size, carry.k, carry.v)
        dq, dk, dv = see((carry.dq, carry.dk, carry.dv), carry.k, carry.v, *ranges)
        dk, dv = _next(axis, size, dk, dv)
        return _Backward(k_next, v_next, dq, dk, dv), None

    zeros = (jnp.zeros_like(x, dtype=jnp.float32) for x in (q_grouped, k, v))
    last, _ = lax.scan(hop, _Backward(k, v, *zeros), (low[:-1], high[:-1]))
    dq, dk, dv = see((last.dq, last.dk, last.dv), last.k, last.v, low[-1], high[-1])
    dk, dv = _next(axis, size, dk, dv)
    return dq.reshape(q.shape).astype(q.dtype), dk.astype(k.dtype), dv.astype(v.dtype)
