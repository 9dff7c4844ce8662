"""Attention of new tokens to a cache of keys and values that is divided over the ranks: the sister of `attention` for generation.

Keys stay where they are and queries visit them. Every rank computes the new queries against its own part of the cache (pass-Q; Yang et al.
2024, Context Parallelism for Scalable Million-Token Inference, arXiv 2411.01783), and one collective merges the parts by their log-sum-exp
(Tree Attention: Shyam et al. 2024, arXiv 2408.04093). What travels depends on the new tokens only, not on the tokens in the cache.

The layout is striped (Brandon et al. 2023, arXiv 2311.09431): the token at place p of its row lies on rank p mod N, in slot p // N. So a
row may grow from any place by any number of tokens, each rank's keys are in ascending order, and the keys that a query may see are the
first ones of every rank. A row's length is a number: what lies behind it is never seen, and is overwritten.

Letters: B rows, T new tokens (t: those of a rank), K key heads, G query heads per key head, H = K * G, C head width, S slots of a rank,
N ranks.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import PartitionSpec as P
from numpy.typing import NDArray

from lwm_trainer.ring.axes import Axes
from lwm_trainer.ring.head_groups import heads_first, tokens_first
from lwm_trainer.ring.kernels.blockwise import MASKED_SCORE
from lwm_trainer.ring.kernels.protocol import AttentionBackend, Shard
from lwm_trainer.ring.kernels.softmax import OnlineSoftmax, empty, finish

ABSENT = -1
"""The place of a token that is padding: it is not written, and sees nothing."""
KEY_BLOCK = 1024
"""Keys that a step of decoding reads at once, at most. Blocks behind the longest row are not read."""


class KeysAndValues(NamedTuple):
    """The cache of one layer: global arrays, whose slots are sharded over the ranks."""

    k_BKSC: Array
    v_BKSC: Array


CachedAttention = Callable[[Array, Array, Array, KeysAndValues], tuple[Array, KeysAndValues]]
"""(q [B, T, H, C], k [B, T, K, C], v [B, T, K, C], cache) -> (output as q, the cache with k and v in it)."""


def cache_spec(axes: Axes) -> P:
    """The partition of the arrays of `KeysAndValues`."""
    return P(axes.rows, axes.heads, axes.tokens, None)


def stripe_order(start: int, count: int, ranks: int) -> NDArray[np.int32]:
    """The places [start, start + count) rank after rank, each rank's ascending; int32[count].

    Raises ValueError when `ranks` does not divide `count`.
    """
    if count % ranks:
        raise ValueError(f"{count} tokens do not divide into {ranks} ranks")
    places = np.arange(start, start + count, dtype=np.int32)
    return places[np.argsort(places % ranks, kind="stable")]


def prefill_attention(mesh: jax.sharding.Mesh, axes: Axes, place_BT: Array, backend: AttentionBackend) -> CachedAttention:
    """Attention of many new tokens, which are sharded over the ranks in the order of `stripe_order`.

    Args:
        mesh: rows are sharded over `axes.rows`, tokens and slots over `axes.tokens`, heads over `axes.heads`.
        place_BT: int32, each token's place in its row, or ABSENT.
        backend: computes attention to one shard of keys.
    """
    tokens = P(axes.rows, axes.tokens)
    heads = P(axes.rows, axes.tokens, axes.heads, None)

    def per_device(q: Array, k: Array, v: Array, cache: KeysAndValues, place_Bt: Array) -> tuple[Array, KeysAndValues]:
        rank, ranks = lax.axis_index(axes.tokens), lax.axis_size(axes.tokens)
        cache = _write(cache, k, v, place_Bt, rank, ranks)
        every_q, every_place = (lax.all_gather(x, axes.tokens, axis=1, tiled=True) for x in (q, place_Bt))
        queries = heads_first(every_q, k.shape[2])
        high_BT = _visible_slots(every_place, rank, ranks)
        shard = Shard(queries, *cache, jnp.zeros_like(high_BT), high_BT)
        part = _packed(backend.forward(empty(queries), shard))
        by_rank = part.reshape(*part.shape[:3], ranks, -1, part.shape[-1])
        own = lax.all_to_all(by_rank, axes.tokens, split_axis=3, concat_axis=0, tiled=False)  # [N, B, K, G, t, C + 2]
        return tokens_first(_merged(own, q.dtype), q.shape), cache

    return _sharded(per_device, mesh, axes, heads, tokens, place_BT)


def decode_attention(mesh: jax.sharding.Mesh, axes: Axes, place_BT: Array) -> CachedAttention:
    """Attention of few new tokens, of which every rank has all. The arguments are those of `prefill_attention`."""
    heads = P(axes.rows, None, axes.heads, None)

    def per_device(q: Array, k: Array, v: Array, cache: KeysAndValues, place_BT: Array) -> tuple[Array, KeysAndValues]:
        rank, ranks = lax.axis_index(axes.tokens), lax.axis_size(axes.tokens)
        cache = _write(cache, k, v, place_BT, rank, ranks)
        part = _packed(_attend_few(heads_first(q, k.shape[2]), cache, _visible_slots(place_BT, rank, ranks)))
        parts = lax.all_gather(part, axes.tokens)
        return tokens_first(_merged(parts, q.dtype), q.shape), cache

    return _sharded(per_device, mesh, axes, heads, P(axes.rows, None), place_BT)


def _sharded(
    per_device: Callable[..., tuple[Array, KeysAndValues]], mesh: jax.sharding.Mesh, axes: Axes, heads: P, tokens: P, place_BT: Array
) -> CachedAttention:
    cache = KeysAndValues(cache_spec(axes), cache_spec(axes))  # type: ignore[arg-type]
    function = jax.shard_map(
        per_device,
        mesh=mesh,
        in_specs=(heads, heads, heads, cache, tokens),
        out_specs=(heads, cache),
        check_vma=False,  # kernels do not declare over which axes their results vary
    )
    return lambda q, k, v, cache: function(q, k, v, cache, place_BT)


def _write(cache: KeysAndValues, k_BtKC: Array, v_BtKC: Array, place_Bt: Array, rank: Array, ranks: int) -> KeysAndValues:
    """The cache with this rank's tokens among the new ones in their slots; all others are dropped."""
    slots = cache.k_BKSC.shape[2]
    mine = (place_Bt >= 0) & (place_Bt % ranks == rank)
    slot_Bt = jnp.where(mine, place_Bt // ranks, slots)
    row_B1 = jnp.arange(place_Bt.shape[0])[:, None]

    def written(array_BKSC: Array, new_BtKC: Array) -> Array:
        return array_BKSC.at[row_B1, :, slot_Bt].set(new_BtKC.astype(array_BKSC.dtype), mode="drop")

    return KeysAndValues(written(cache.k_BKSC, k_BtKC), written(cache.v_BKSC, v_BtKC))


def _visible_slots(place_BT: Array, rank: Array, ranks: int) -> Array:
    """How many of this rank's slots each token may see: those whose place is not behind its own."""
    return jnp.where(place_BT < 0, 0, (place_BT - rank + ranks) // ranks)


@partial(jax.named_call, name="decode_attention")
def _attend_few(q_BKGTC: Array, cache: KeysAndValues, high_BT: Array) -> OnlineSoftmax:
    """Attention to this rank's slots, all rows at once: few queries read many keys, so that the keys' bytes decide."""
    slots = cache.k_BKSC.shape[2]
    size = min(slots, KEY_BLOCK)
    q = q_BKGTC.astype(cache.k_BKSC.dtype) * q_BKGTC.shape[-1] ** -0.5

    def attend_block(number: Array, carry: OnlineSoftmax) -> OnlineSoftmax:
        begin = number * size
        at = jnp.minimum(begin, slots - size)  # the last block may overlap the one before it, whose keys are masked then
        k, v = (lax.dynamic_slice_in_dim(x, at, size, axis=2) for x in cache)
        slot_S = at + jnp.arange(size)
        visible_BTS = (slot_S >= begin) & (slot_S < high_BT[..., None])
        score = jnp.einsum("bkgtc,bksc->bkgts", q, k, preferred_element_type=jnp.float32)
        score = jnp.where(visible_BTS[:, None, None], score, MASKED_SCORE)
        top = jnp.maximum(carry.top_BKGT, score.max(-1))
        weight, shrink = jnp.exp(score - top[..., None]), jnp.exp(carry.top_BKGT - top)
        out = jnp.einsum("bkgts,bksc->bkgtc", weight.astype(v.dtype), v, preferred_element_type=jnp.float32)
        return OnlineSoftmax(carry.out_BKGTC * shrink[..., None] + out, top, carry.sum_BKGT * shrink + weight.sum(-1))

    blocks = (jnp.max(high_BT) + size - 1) // size
    attended: OnlineSoftmax = lax.fori_loop(0, blocks, attend_block, empty(q_BKGTC))
    return attended


def _packed(carry: OnlineSoftmax) -> Array:
    """The three arrays as one, [..., C + 2], so that one collective carries them."""
    return jnp.concatenate([carry.out_BKGTC, carry.top_BKGT[..., None], carry.sum_BKGT[..., None]], axis=-1)


def _merged(part_NBKGTC: Array, dtype: jnp.dtype) -> Array:
    """The output of all ranks' parts: sums are scaled to the largest score of any rank."""
    out, top, total = part_NBKGTC[..., :-2], part_NBKGTC[..., -2], part_NBKGTC[..., -1]
    largest = top.max(0)
    shrink = jnp.exp(top - largest)
    merged = OnlineSoftmax((out * shrink[..., None]).sum(0), largest, (total * shrink).sum(0))
    return finish(merged, dtype)[0]
