"""Attention of local queries to one shard of keys on a TPU: the kernels of tokamax's splash attention, told by key ranges what to do.

What a row may see, [low, high), goes into the kernels as one int32 per query, from which they make the mask of a block on the fly.
Blocks that no query may see are not on the list of `visits`: forward and backward neither fetch nor compute them nor spend a grid step.
What the kernels cannot skip: the rest of a block of which one pair is visible (the mask inside a block is by pair); in the backward
pass a key block that nobody sees is fetched once, to write its zeros; and gradients of queries are read and written once per visit.

Precision: sums, outputs, log-sum-exps and gradients of a shard are float32, also when queries and keys are bfloat16, because the kernels
return the dtype of their inputs and are given float32: queries in the forward pass, keys and values too in the backward pass. Matrix
products take the platform's default precision: bfloat16 factors, float32 sums.

Letters: B rows, K key heads, G query heads per key head, H = K * G, T query tokens, S key tokens, C head width, N = B * T or B * S.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from tokamax._src.ops.experimental.tpu.splash_attention import splash_attention_kernel as kernel

from lwm_trainer.ring.divisors import largest_divisor
from lwm_trainer.ring.kernels.block_schedule import Visits, by_key, by_query, kinds
from lwm_trainer.ring.kernels.protocol import QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import NOTHING, Softmax, merge

LANES = 128
"""Blocks are multiples of it."""
MOST_KEYS = 1 << 16
"""Keys of one call: the first and the last key of a query are 16 bits each."""
MOST_VISITS = 1 << 15
"""Places on a call's list of visits: the kernels hold 20 bytes of each in a core's 1 MiB of scalar memory."""
FEWEST_KEY_BLOCKS = 3
"""Of a backward call: the kernel adds in place to what it wrote that many visits ago, and a key block is one visit at least."""
HALF = 0.5
"""The share of visible pairs that the scheduler of permutes is told: that of a causal shard on average."""


class Splash(NamedTuple):
    """The inner loop on a TPU."""

    largest_block: int = 1024
    """Tokens of a query or key block that is fetched, at most; a multiple of 128."""
    largest_compute: int = 512
    """Keys of one matrix product, at most; a multiple of 128."""

    def forward(self, carry: Softmax, shard: Shard) -> Softmax:
        def rows(carry: Softmax, q: Array, k: Array, v: Array, low: Array, high: Array) -> Softmax:
            for keys in self._pieces(q, k):
                carry = merge(carry, *self._see(q, k[:, :, keys], v[:, :, keys], *_inside(low, high, keys)))
            return carry

        self._check(shard.q_BKGTC, shard.k_BKSC)
        with jax.named_scope("ring_forward"):
            return Softmax(*_by_rows(rows, self._together(shard.q_BKGTC, shard.k_BKSC), carry, *shard))

    def backward(self, dq_BKGTC: Array, shard: Shard, pull: QueryResiduals) -> tuple[Array, Array, Array]:
        def rows(dq: Array, q: Array, k: Array, v: Array, low: Array, high: Array, *rest: Array) -> tuple[Array, Array, Array]:
            dk, dv = [], []
            for keys in self._pieces(q, k):
                inside = _inside(low, high, keys)
                more, dk_part, dv_part = self._pull(q, k[:, :, keys], v[:, :, keys], *inside, *rest)
                dq = dq + more
                dk.append(dk_part)
                dv.append(dv_part)
            return dq, jnp.concatenate(dk, axis=2), jnp.concatenate(dv, axis=2)

        self._check(shard.q_BKGTC, shard.k_BKSC)
        with jax.named_scope("ring_backward"):
            return _by_rows(rows, self._together(shard.q_BKGTC, shard.k_BKSC), dq_BKGTC, *shard, *pull)  # type: ignore[no-any-return]

    def _see(self, q: Array, k: Array, v: Array, low_BT: Array, high_BT: Array) -> tuple[Array, Array]:
        """(normalised output [B, K, G, T, C], log-sum-exp [B, K, G, T]) of one call's keys, both float32."""
        low_N, high_N = _one_row(low_BT, high_BT, k.shape[2])
        config = self._config(q, *_sizes(k))
        visits = by_query(kinds(low_N, high_N, config.block_q, config.block_kv, k.shape[0] * k.shape[2]))
        out, stats = kernel._splash_attention_forward(
            _mask(visits, low_N, high_N),
            _heads(_scaled(q)),
            _key_heads(k),
            _key_heads(v),
            None,
            None,
            mask_value=kernel.base.DEFAULT_MASK_VALUE,
            is_mqa=False,
            config=config,
            save_residuals=True,
            mask_function=_visible,
            fwd_mask_sparsity=HALF,
        )
        live = low_N < high_N  # what the kernel writes for the others is no number that means anything
        out = jnp.where(live[:, None], out, 0.0)
        lse = jnp.where(live, stats["logsumexp"] / kernel.LOG2E, NOTHING)
        return _rows(out, q.shape), _rows(lse, q.shape[:4])

    def _pull(
        self, q: Array, k: Array, v: Array, low_BT: Array, high_BT: Array, lse: Array, dout: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        """Gradients of one call's keys, in the shapes of q, k and v, all float32."""
        low_N, high_N = _one_row(low_BT, high_BT, k.shape[2])
        config = self._config(q, *_sizes(k))
        visits = by_key(kinds(low_N, high_N, config.block_q_dkv, config.block_kv_dkv, k.shape[0] * k.shape[2]))
        dq, dk, dv = kernel._splash_attention_bwd_dkv(
            _heads(_scaled(q)),
            _key_heads(k.astype(jnp.float32)),
            _key_heads(v.astype(jnp.float32)),
            None,
            _heads(lse * kernel.LOG2E),
            _heads(dout.astype(jnp.float32)),
            _heads(delta),
            bq=config.block_q_dkv,
            bkv=config.block_kv_dkv,
            bkv_compute=config.block_kv_dkv_compute,
            is_mqa=False,
            mask_info=_mask(visits, low_N, high_N),
            mask_value=kernel.base.DEFAULT_MASK_VALUE,
            mask_function=_visible,
            config=config,
            dkv_mask_sparsity=HALF,
        )
        batch, key_heads, keys, width = k.shape
        dk, dv = (jnp.moveaxis(x.reshape(key_heads, batch, keys, width), 1, 0) for x in (dk, dv))
        scale: float = width**-0.5
        return _rows(dq, q.shape) * scale, dk, dv

    def _config(self, q: Array, batch: int, keys: int) -> kernel.SplashConfig:
        """Of a call with `keys` keys of each of `batch` rows."""
        wide = max(1, q.shape[-1] // LANES)
        q_block, k_block = (_block(x, self.largest_block // wide) for x in (q.shape[-2], keys))
        k_block_backward = _block(keys, min(self.largest_block // wide, max(LANES, batch * keys // FEWEST_KEY_BLOCKS)))
        return kernel.SplashConfig(
            block_q=q_block,
            block_kv=k_block,
            block_kv_compute=_block(k_block, self.largest_compute),
            block_q_dkv=_block(q.shape[-2], self.largest_block // wide // 2),
            block_kv_dkv=k_block_backward,
            block_kv_dkv_compute=_block(k_block_backward, self.largest_compute),
            dq_reduction_steps=3,  # the mode that has a run-time grid
        )

    def _takes(self, q: Array, batch: int, keys: int) -> bool:
        """Whether one call takes so many keys of each of `batch` rows."""
        config = self._config(q, batch, keys)
        places = batch**2 * q.shape[-2] * keys
        visits = max(places // (config.block_q * config.block_kv), places // (config.block_q_dkv * config.block_kv_dkv))
        return batch * keys <= MOST_KEYS and visits <= MOST_VISITS

    def _keys_of_a_call(self, q: Array, k: Array) -> int:
        """All rows in one call, side by side as one long row; row by row, in equal pieces, where those are too many keys or blocks."""
        batch, keys = _sizes(k)
        if self._takes(q, batch, keys):
            return batch * keys
        blocks = keys // LANES
        pieces = (LANES * size for size in range(blocks, 0, -1) if blocks % size == 0)
        return next((piece for piece in pieces if self._takes(q, 1, piece)), 0)

    def _together(self, q: Array, k: Array) -> bool:
        """Whether all rows go in one call each; else one row after the other."""
        batch, keys = _sizes(k)
        return batch == 1 or self._keys_of_a_call(q, k) == batch * keys

    def _pieces(self, q: Array, k: Array) -> list[slice]:
        """The keys of a row that go into one call each."""
        _, keys = _sizes(k)
        size = min(keys, self._keys_of_a_call(q, k))
        return [slice(start, start + size) for start in range(0, keys, size)]

    def _check(self, q: Array, k: Array) -> None:
        """Raises ValueError for lengths that the kernels cannot cut into blocks, or into too few."""
        (batch, keys), tokens = _sizes(k), q.shape[-2]
        if tokens % LANES or keys % LANES or self._keys_of_a_call(q, k) < FEWEST_KEY_BLOCKS * LANES:
            raise ValueError(
                f"a rank of the ring holds {batch} x {keys} tokens: on a TPU it takes a multiple of {LANES}, and at least "
                f"{FEWEST_KEY_BLOCKS * LANES} in a call; use a longer context, or a smaller mesh.sp, or a larger mesh.ulysses"
            )


def _visible(q: Array, key: Array) -> Array:
    """The mask of a block, called by the kernels: `q` is what `_both` made of a range, `key` the number of a key."""
    return (key >= lax.shift_right_logical(q, 16)) & (key <= (q & 0xFFFF))


def _both(low_N: Array, high_N: Array) -> Array:
    """The first and the last key of a query in one int32; 1 and 0 where there is none."""
    return jnp.where(low_N < high_N, (low_N << 16) | (high_N - 1), 1 << 16)


def _mask(visits: Visits, low_N: Array, high_N: Array) -> kernel.MaskInfo:
    return kernel.MaskInfo(
        mask_next=None,
        active_rows=visits.outer_V,
        active_cols=visits.inner_V,
        block_mask=visits.kind_V,
        num_active_blocks=visits.count_1,
        partial_mask_blocks=None,
        q_sequence=_both(low_N, high_N),
    )


def _block(tokens: int, largest: int) -> int:
    """The largest divisor of `tokens` that is a multiple of 128 and at most `largest`; 128 when `largest` is less."""
    return LANES * largest_divisor(tokens // LANES, max(1, largest // LANES))


def _sizes(k: Array) -> tuple[int, int]:
    """Rows, and keys of each."""
    return k.shape[0], k.shape[2]


def _by_rows(function: Callable[..., Any], together: bool, *inputs: Any) -> Any:
    """`function` of all rows at once, or of one row after the other."""
    if together:
        return function(*inputs)
    done = lax.map(lambda row: function(*jax.tree.map(lambda x: x[None], row)), inputs)
    return jax.tree.map(lambda x: x[:, 0], done)


def _inside(low: Array, high: Array, keys: slice) -> tuple[Array, Array]:
    """The ranges counted from the first key of a piece; low >= high where the piece has none."""
    size = keys.stop - keys.start
    return jnp.clip(low - keys.start, 0, size), jnp.clip(high - keys.start, 0, size)


def _one_row(low_BT: Array, high_BT: Array, keys: int) -> tuple[Array, Array]:
    """Ranges in the keys of all rows side by side."""
    start = jnp.arange(low_BT.shape[0], dtype=jnp.int32)[:, None] * keys
    return (low_BT + start).reshape(-1), (high_BT + start).reshape(-1)


def _scaled(q: Array) -> Array:
    scale: float = q.shape[-1] ** -0.5
    return q.astype(jnp.float32) * scale


def _heads(x: Array) -> Array:
    """[B, K, G, T, ...] to [H, N, ...]."""
    batch, key_heads, group, tokens, *rest = x.shape
    return jnp.moveaxis(x, 0, 2).reshape(key_heads * group, batch * tokens, *rest)


def _key_heads(x: Array) -> Array:
    """[B, K, S, C] to [K, N, C]."""
    batch, key_heads, keys, width = x.shape
    return jnp.moveaxis(x, 0, 1).reshape(key_heads, batch * keys, width)


def _rows(x: Array, shape: tuple[int, ...]) -> Array:
    """The inverse of `_heads`, for an x of H heads."""
    batch, key_heads, group, tokens, *rest = shape
    return jnp.moveaxis(x.reshape(key_heads, group, batch, tokens, *rest), 2, 0)
