"""Attention of local queries to one shard of keys on a TPU, by the kernels of tokamax's splash attention, driven by key ranges.

The range [low, high) of each query is passed as one int32, from which the kernels compute the mask of a block on the fly. Blocks without a
visible pair are not in the block schedule: both passes neither fetch nor compute them, and they take no grid step. The kernels cannot skip
the rest of a block that has a visible pair; in the backward pass a key block without visible pairs is fetched once, to write its zeros;
and the gradients of queries are read and written once per listed block.

Precision: sums, outputs, log-sum-exps and gradients of a shard are float32, also when queries and keys are bfloat16. The kernels return the
dtype of their inputs, so they get float32: queries in the forward pass, also keys and values in the backward pass. Sums of matrix products
are float32, and their factors have JAX's default precision, by which `config.Precision.matmul` is passed: bfloat16 or float32.

Letters: B rows, K key heads, G query heads per key head, H = K * G, T query tokens, S key tokens, C head width, N = B * T or B * S.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from tokamax._src.ops.experimental.tpu.splash_attention import splash_attention_kernel as kernel

from lwm_trainer.ring.chunks import largest_divisor
from lwm_trainer.ring.kernels.block_schedule import BlockSchedule, block_kinds, schedule_by_key, schedule_by_query
from lwm_trainer.ring.kernels.protocol import QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import EMPTY_SCORE, OnlineSoftmax, merge

LANES = 128
"""Lanes of a vector register: blocks are multiples of it."""
MAX_KEYS = 1 << 16
"""Keys of one call: the first and the last key of a query take 16 bits each."""
MAX_BLOCKS = 1 << 15
"""Entries of one call's block schedule: the kernels hold 20 bytes of each in the 1 MiB of scalar memory of a core."""
MIN_KEY_BLOCKS = 3
"""Key blocks of a backward call: the kernel adds in place to what it wrote that many grid steps ago, and a key block takes at least one."""
MASK_SPARSITY = 0.5
"""The share of visible pairs from which XLA estimates the kernel's time when it schedules permutes: the average of a causal shard."""


class Splash(NamedTuple):
    """The backend for TPUs."""

    largest_block: int = 1024
    """Tokens of a query or key block that is fetched, at most; a multiple of 128."""
    largest_compute: int = 512
    """Keys of one matrix product, at most; a multiple of 128."""

    def forward(self, carry: OnlineSoftmax, shard: Shard) -> OnlineSoftmax:
        def rows(carry: OnlineSoftmax, q: Array, k: Array, v: Array, low: Array, high: Array) -> OnlineSoftmax:
            for keys in self._key_slices(q, k):
                carry = merge(carry, *self._forward_call(q, k[:, :, keys], v[:, :, keys], *_ranges_within(low, high, keys)))
            return carry

        self._check(shard.q_BKGTC, shard.k_BKSC)
        with jax.named_scope("ring_forward"):
            return OnlineSoftmax(*_by_rows(rows, self._is_one_call(shard.q_BKGTC, shard.k_BKSC), carry, *shard))

    def backward(self, dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals) -> tuple[Array, Array, Array]:
        def rows(dq: Array, q: Array, k: Array, v: Array, low: Array, high: Array, *rest: Array) -> tuple[Array, Array, Array]:
            dk, dv = [], []
            for keys in self._key_slices(q, k):
                inside = _ranges_within(low, high, keys)
                dq_part, dk_part, dv_part = self._backward_call(q, k[:, :, keys], v[:, :, keys], *inside, *rest)
                dq = dq + dq_part
                dk.append(dk_part)
                dv.append(dv_part)
            return dq, jnp.concatenate(dk, axis=2), jnp.concatenate(dv, axis=2)

        self._check(shard.q_BKGTC, shard.k_BKSC)
        with jax.named_scope("ring_backward"):
            return _by_rows(rows, self._is_one_call(shard.q_BKGTC, shard.k_BKSC), dq_BKGTC, *shard, *residuals)  # type: ignore[no-any-return]

    def _forward_call(self, q: Array, k: Array, v: Array, low_BT: Array, high_BT: Array) -> tuple[Array, Array]:
        """One call of the forward kernel: normalized output [B, K, G, T, C] and log-sum-exp [B, K, G, T], both float32."""
        low_N, high_N = _ranges_of_long_row(low_BT, high_BT, k.shape[2])
        config = self._config(q, *_sizes(k))
        blocks = schedule_by_query(block_kinds(low_N, high_N, config.block_q, config.block_kv, k.shape[0] * k.shape[2]))
        out, stats = kernel._splash_attention_forward(
            _mask(blocks, low_N, high_N),
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
            fwd_mask_sparsity=MASK_SPARSITY,
        )
        live = low_N < high_N  # the kernel writes garbage for the others
        out = jnp.where(live[:, None], out, 0.0)
        lse = jnp.where(live, stats["logsumexp"] / kernel.LOG2E, EMPTY_SCORE)
        return _rows(out, q.shape), _rows(lse, q.shape[:4])

    def _backward_call(
        self, q: Array, k: Array, v: Array, low_BT: Array, high_BT: Array, lse: Array, dout: Array, delta: Array
    ) -> tuple[Array, Array, Array]:
        """One call of the backward kernel: gradients in the shapes of q, k and v, all float32."""
        low_N, high_N = _ranges_of_long_row(low_BT, high_BT, k.shape[2])
        config = self._config(q, *_sizes(k))
        blocks = schedule_by_key(block_kinds(low_N, high_N, config.block_q_dkv, config.block_kv_dkv, k.shape[0] * k.shape[2]))
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
            mask_info=_mask(blocks, low_N, high_N),
            mask_value=kernel.base.DEFAULT_MASK_VALUE,
            mask_function=_visible,
            config=config,
            dkv_mask_sparsity=MASK_SPARSITY,
        )
        batch, key_heads, keys, width = k.shape
        dk, dv = (jnp.moveaxis(x.reshape(key_heads, batch, keys, width), 1, 0) for x in (dk, dv))
        scale: float = width**-0.5
        return _rows(dq, q.shape) * scale, dk, dv

    def _config(self, q: Array, batch: int, keys: int) -> kernel.SplashConfig:
        """The configuration of a call with `keys` keys of each of `batch` rows."""
        wide = max(1, q.shape[-1] // LANES)
        q_block, k_block = (_block(x, self.largest_block // wide) for x in (q.shape[-2], keys))
        k_block_backward = _block(keys, min(self.largest_block // wide, max(LANES, batch * keys // MIN_KEY_BLOCKS)))
        return kernel.SplashConfig(
            block_q=q_block,
            block_kv=k_block,
            block_kv_compute=_block(k_block, self.largest_compute),
            block_q_dkv=q_block,
            block_kv_dkv=k_block_backward,
            block_kv_dkv_compute=_block(k_block_backward, self.largest_compute),
            dq_reduction_steps=3,  # the mode that has a run-time grid
        )

    def _takes(self, q: Array, batch: int, keys: int) -> bool:
        """Whether one call can take `keys` keys of each of `batch` rows."""
        config = self._config(q, batch, keys)
        pairs = batch**2 * q.shape[-2] * keys
        blocks = max(pairs // (config.block_q * config.block_kv), pairs // (config.block_q_dkv * config.block_kv_dkv))
        return batch * keys <= MAX_KEYS and blocks <= MAX_BLOCKS

    def _keys_per_call(self, q: Array, k: Array) -> int:
        """Keys of one call: those of all rows, side by side as one long row; if too many, an equal part of one row; 0 if none fits."""
        batch, keys = _sizes(k)
        if self._takes(q, batch, keys):
            return batch * keys
        blocks = keys // LANES
        parts = (LANES * size for size in range(blocks, 0, -1) if blocks % size == 0)
        return next((part for part in parts if self._takes(q, 1, part)), 0)

    def _is_one_call(self, q: Array, k: Array) -> bool:
        """Whether all rows go into the same calls; otherwise they are computed one row after the other."""
        batch, keys = _sizes(k)
        return batch == 1 or self._keys_per_call(q, k) == batch * keys

    def _key_slices(self, q: Array, k: Array) -> list[slice]:
        """The keys of a row that go into each call."""
        _, keys = _sizes(k)
        size = min(keys, self._keys_per_call(q, k))
        return [slice(start, start + size) for start in range(0, keys, size)]

    def _check(self, q: Array, k: Array) -> None:
        """Raises ValueError for lengths that the kernels cannot cut into blocks, or only into too few."""
        (batch, keys), tokens = _sizes(k), q.shape[-2]
        if tokens % LANES or keys % LANES or self._keys_per_call(q, k) < MIN_KEY_BLOCKS * LANES:
            raise ValueError(
                f"a rank of the ring holds {batch} x {keys} tokens: on a TPU it takes a multiple of {LANES}, and at least "
                f"{MIN_KEY_BLOCKS * LANES} in a call; use a longer context, or a smaller mesh.sp, or a larger mesh.ulysses"
            )


def _visible(q: Array, key: Array) -> Array:
    """The mask function that the kernels call: `q` is a range packed by `_pack_range`, `key` the number of a key."""
    return (key >= lax.shift_right_logical(q, 16)) & (key <= (q & 0xFFFF))


def _pack_range(low_N: Array, high_N: Array) -> Array:
    """The first and the last key of a query packed in one int32; 1 and 0 for a query without keys."""
    return jnp.where(low_N < high_N, (low_N << 16) | (high_N - 1), 1 << 16)


def _mask(blocks: BlockSchedule, low_N: Array, high_N: Array) -> kernel.MaskInfo:
    return kernel.MaskInfo(
        mask_next=None,
        active_rows=blocks.outer_V,
        active_cols=blocks.inner_V,
        block_mask=blocks.kind_V,
        num_active_blocks=blocks.count_1,
        partial_mask_blocks=None,
        q_sequence=_pack_range(low_N, high_N),
    )


def _block(tokens: int, largest: int) -> int:
    """The largest divisor of `tokens` that is a multiple of 128 and at most `largest`; 128 when `largest` is less."""
    return LANES * largest_divisor(tokens // LANES, max(1, largest // LANES))


def _sizes(k: Array) -> tuple[int, int]:
    """Number of rows, and keys of each."""
    return k.shape[0], k.shape[2]


def _by_rows(function: Callable[..., Any], together: bool, *inputs: Any) -> Any:
    """Apply `function` to all rows at once, or to one row after the other."""
    if together:
        return function(*inputs)
    results = lax.map(lambda row: function(*jax.tree.map(lambda x: x[None], row)), inputs)
    return jax.tree.map(lambda x: x[:, 0], results)


def _ranges_within(low: Array, high: Array, keys: slice) -> tuple[Array, Array]:
    """The ranges relative to the first key of a slice; low >= high where a query sees none of its keys."""
    size = keys.stop - keys.start
    return jnp.clip(low - keys.start, 0, size), jnp.clip(high - keys.start, 0, size)


def _ranges_of_long_row(low_BT: Array, high_BT: Array, keys: int) -> tuple[Array, Array]:
    """The ranges of all rows, side by side as one long row."""
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
