"""Ring attention: keys and values travel round the ring, queries and outputs stay (Liu et al. 2023, arXiv 2310.01889).

Forward: the permute of a hop is issued before the computation that it overlaps with. The ring ends at the last hop at which any rank sees
a key, after N - 1 hops at most. Backward: the gradients of a shard follow it one hop behind, so that their permute overlaps with
computation too, and return to their own rank in one step. Output and log-sum-exp are saved under the names below, so that
rematerialization of a layer does not run the ring again. Keys and values travel in their own dtype and with their own number of heads; all
sums are float32.

Letters: B rows, T tokens of a ring rank, K key heads, G query heads per key head, H = K * G, C head width, N ring size.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring import ulysses
from lwm_trainer.ring.axes import Axes
from lwm_trainer.ring.head_groups import heads_first, tokens_first
from lwm_trainer.ring.kernels import softmax
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.protocol import AttentionBackend, QueryResiduals, Shard
from lwm_trainer.ring.schedule import Schedule, make_schedule, schedule_spec

OUT_NAME = "ring_out"
LSE_NAME = "ring_lse"
SAVED_NAMES = (OUT_NAME, LSE_NAME)
"""Values that a rematerialized layer saves, so that its backward pass does not run the ring again."""

Pair = tuple[Array, Array]
"""Two arrays that travel together: keys and values, or their gradients."""


def ring_attention(
    mesh: jax.sharding.Mesh,
    axes: Axes,
    index_BT: Array,
    start_BT: Array,
    stop_BT: Array | None = None,
    backend: AttentionBackend | None = None,
) -> Callable[[Array, Array, Array], Array]:
    """Build the attention function of one batch. The key ranges of every hop are computed here, once, and every layer uses them.

    Args:
        mesh: the device mesh; rows are sharded over `axes.rows`, tokens over `axes.tokens`, heads over `axes.heads`.
        index_BT: int32, each token's place in its row, ascending within a rank of the ring.
        start_BT: int32, the first place that the token may see: where its document starts; index + 1 for padding.
        stop_BT: int32, one past the last place that the token may see; by default index + 1, which is causal. In a prefix whose tokens all
            see each other, it is the end of the prefix.
        backend: computes attention to one shard of keys; plain XLA by default.

    Returns:
        A differentiable function of global arrays q [B, T, H, C], k and v [B, T, K, C], where K divides H; the output has q's shape and
        dtype, and is zero for a query without keys.
    """
    backend = backend if backend is not None else Blockwise()
    size = mesh.shape[axes.ring]
    heads = P(axes.rows, axes.ring, (axes.heads, axes.ulysses))
    shard = partial(jax.shard_map, mesh=mesh, check_vma=False)  # kernels do not declare over which axes their results vary

    schedule = make_schedule(mesh, axes, index_BT, start_BT, stop_BT)
    ring = _Ring(backend, axes.ring, size)
    run_forward = shard(ring.forward, in_specs=(heads, heads, heads, schedule_spec(axes)), out_specs=(heads, heads))
    run_backward = shard(
        ring.backward,
        in_specs=(heads, heads, heads, schedule_spec(axes), heads, heads, heads),
        out_specs=(heads, heads, heads),
    )

    @jax.custom_vjp
    def attend(q: Array, k: Array, v: Array, schedule: Schedule) -> Array:
        out, _ = run_forward(q, k, v, schedule)
        return out  # type: ignore[no-any-return]

    def attend_forward(q: Array, k: Array, v: Array, schedule: Schedule) -> tuple[Array, tuple[Array | Schedule, ...]]:
        out, lse = run_forward(q, k, v, schedule)
        out, lse = checkpoint_name(out, OUT_NAME), checkpoint_name(lse, LSE_NAME)
        return out, (q, k, v, schedule, out, lse)

    def attend_backward(saved: tuple[Array | Schedule, ...], dout: Array) -> tuple[Array | None, ...]:
        return (*run_backward(*saved, dout), None)

    attend.defvjp(attend_forward, attend_backward)

    def attention(q: Array, k: Array, v: Array) -> Array:
        q, k, v = ulysses.to_heads(mesh, axes, q, k, v)
        return ulysses.to_tokens(mesh, axes, attend(q, k, v, schedule))

    return attention


class _Ring(NamedTuple):
    """The computation of one device. Arrays are [B, T, H, C] at its borders and [B, K, G, T, C], heads first, inside."""

    backend: AttentionBackend
    axis: str
    size: int

    def forward(self, q: Array, k: Array, v: Array, schedule: Schedule) -> tuple[Array, Array]:
        key_heads = k.shape[2]
        queries = heads_first(q, key_heads)

        def attend_shard(hop: Array, carry: softmax.OnlineSoftmax, keys: Pair) -> softmax.OnlineSoftmax:
            low, high = schedule.low_NBT[hop], schedule.high_NBT[hop]
            forward = partial(self.backend.forward, shard=Shard(queries, *keys, low, high))
            return lax.cond(jnp.any(low < high), forward, lambda carry: carry, carry)  # type: ignore[no-any-return]

        def hop(number: Array, state: tuple[Pair, softmax.OnlineSoftmax]) -> tuple[Pair, softmax.OnlineSoftmax]:
            keys, carry = state
            arriving = self._shift(keys, 1)
            return arriving, attend_shard(number, carry, keys)

        start = (_keys_first(k), _keys_first(v)), softmax.empty(queries)
        keys, carry = lax.fori_loop(0, schedule.last, hop, start) if self.size > 1 else start
        out, lse = softmax.finish(attend_shard(schedule.last, carry, keys), q.dtype)
        return tokens_first(out, q.shape), tokens_first(lse, q.shape[:3])

    def backward(self, q: Array, k: Array, v: Array, schedule: Schedule, out: Array, lse: Array, dout: Array) -> tuple[Array, Array, Array]:
        key_heads = k.shape[2]
        delta = jnp.sum(dout.astype(jnp.float32) * out.astype(jnp.float32), axis=-1)
        queries, lse, dout, delta = (heads_first(x, key_heads) for x in (q, lse, dout, delta))
        own = _keys_first(k), _keys_first(v)
        zeros = jnp.zeros_like(own[0], jnp.float32), jnp.zeros_like(own[1], jnp.float32)

        def attend_shard(hop: Array | int, dq: Array, keys: Pair) -> tuple[Array, Pair]:
            low, high = schedule.low_NBT[hop], schedule.high_NBT[hop]

            def backward(dq: Array) -> tuple[Array, Pair]:
                dq, *grads = self.backend.backward(dq, Shard(queries, *keys, low, high), QueryResiduals(lse, dout, delta))
                return dq, (grads[0], grads[1])

            return lax.cond(jnp.any(low < high), backward, lambda dq: (dq, zeros), dq)  # type: ignore[no-any-return]

        def first_hop_only(dq: Array) -> tuple[Array, Pair]:
            return attend_shard(0, dq, own)

        def round_the_ring(dq: Array) -> tuple[Array, Pair]:
            def hop(number: Array, state: tuple[Pair, Array, Pair]) -> tuple[Pair, Array, Pair]:
                keys, dq, behind = state
                arriving, following = self._shift(keys, 1), self._shift(behind, 1)
                dq, part = attend_shard(number, dq, keys)
                return arriving, dq, (following[0] + part[0], following[1] + part[1])

            keys, dq, behind = lax.fori_loop(0, schedule.last, hop, (own, dq, zeros))
            following = self._shift(behind, 1)
            dq, part = attend_shard(schedule.last, dq, keys)
            return dq, self._home((following[0] + part[0], following[1] + part[1]), schedule.last)

        dq = jnp.zeros_like(queries, jnp.float32)
        dq, (dk, dv) = lax.cond(schedule.last > 0, round_the_ring, first_hop_only, dq) if self.size > 1 else first_hop_only(dq)
        return (
            tokens_first(dq, q.shape).astype(q.dtype),
            jnp.moveaxis(dk, 1, 2).astype(k.dtype),
            jnp.moveaxis(dv, 1, 2).astype(v.dtype),
        )

    def _shift(self, pair: Pair, by: int) -> Pair:
        order = [(rank, (rank + by) % self.size) for rank in range(self.size)]
        return lax.ppermute(pair[0], self.axis, order), lax.ppermute(pair[1], self.axis, order)

    def _home(self, grads: Pair, hops: Array) -> Pair:
        """Send gradients that are `hops` ranks beyond the rank of their keys back in one step."""
        return lax.switch(hops - 1, [partial(self._shift, by=-back) for back in range(1, self.size)], grads)  # type: ignore[no-any-return]


def _keys_first(x: Array) -> Array:
    """[B, S, K, C] to [B, K, S, C]."""
    return jnp.moveaxis(x, 2, 1)
