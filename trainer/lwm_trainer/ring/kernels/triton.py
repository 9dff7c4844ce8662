"""The backend for GPUs: three Pallas kernels for Triton, which a CPU can interpret.

In the forward kernel and the kernel for dq, a program has one tile of queries and goes through the key tiles that its queries see. In the
kernel for dk and dv, a program has one tile of keys and goes through the query tiles that see it, for all query heads of the key head: so
grouped heads are summed in float32 and nothing is computed twice. Tiles that no query sees are not read. Scores are in base 2 inside the
kernels; log-sum-exps are natural outside.

Letters: B rows, K key heads, G query heads per key head, T query tokens, S key tokens, C head width.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from lwm_trainer.ring.kernels.protocol import QueryResiduals, Shard
from lwm_trainer.ring.kernels.softmax import EMPTY_SCORE, OnlineSoftmax, merge

LOG2_E = math.log2(math.e)


class Tile(NamedTuple):
    """The tokens of a program and of one step of its loop, and its warps."""

    own: int
    step: int
    warps: int


# The largest tiles for which ptxas needs no register spills on sm_90a (head width 256: 20 bytes in the kernel for dq). They were compiled
# without a GPU and are not timed yet; all products are warpgroup instructions.
def forward_tile(width: int) -> Tile:
    return Tile(own=128, step=128 if width <= 128 else 64, warps=8)


def backward_tile(width: int) -> Tile:
    return Tile(own=128, step=64, warps=8) if width <= 128 else Tile(own=64, step=32, warps=8)


class Triton(NamedTuple):
    """The backend for any GPU with bfloat16 tensor cores. Raises ValueError for shapes that no tile divides."""

    interpret: bool = False
    """Interpret the kernels on a CPU, slowly, for tests."""

    def forward(self, carry: OnlineSoftmax, shard: Shard) -> OnlineSoftmax:
        return merge(carry, *_forward(shard, self.interpret))

    def backward(self, dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals) -> tuple[Array, Array, Array]:
        return _query_gradient(dq_BKGTC, shard, residuals, self.interpret), *_key_gradients(shard, residuals, self.interpret)


def tile_size(tokens: int, largest: int, what: str) -> int:
    """The largest power of two that divides `tokens` and `largest`. Raises ValueError below 16, the least that tensor cores take."""
    size = math.gcd(tokens, largest)
    if size < 16:
        raise ValueError(f"{tokens} {what} on a device are not a multiple of 16: choose a sequence length and mesh.sp that make them so")
    return size


def _tile_sizes(tile: Tile, own: int, step: int, width: int) -> tuple[int, int]:
    if width < 16 or width & (width - 1):
        raise ValueError(f"head width {width} is not a power of two of at least 16: the GPU kernels take 16, 32, 64, 128 and 256")
    return tile_size(own, tile.own, "tokens"), tile_size(step, tile.step, "tokens")


def _dot(a: Array, b: Array) -> Array:
    """Products of float32 are exact, unless JAX's default precision says otherwise: `config.Precision.matmul` is passed by it."""
    exact = b.dtype == jnp.float32 and jax.config.jax_default_matmul_precision is None  # type: ignore[attr-defined]
    precision = lax.Precision.HIGHEST if exact else None
    return lax.dot(a.astype(b.dtype), b, precision=precision, preferred_element_type=jnp.float32)


def _for_key_tiles(low: Array, high: Array, size: int, keys: int, body: Callable[..., Any], carry: Any) -> Any:
    """Loop over the key tiles j that some query sees with body(j, carry, masked=...); tiles that every query sees whole need no mask."""
    live = low < high
    first = jnp.min(jnp.where(live, low, keys)) // size
    last = (jnp.max(jnp.where(live, high, 0)) + size - 1) // size
    last = jnp.maximum(first, last)
    whole = jnp.clip((jnp.max(jnp.where(live, low, keys)) + size - 1) // size, first, last)
    whole_end = jnp.clip(jnp.min(jnp.where(live, high, 0)) // size, whole, last)
    carry = lax.fori_loop(first, whole, partial(body, masked=True), carry)
    carry = lax.fori_loop(whole, whole_end, partial(body, masked=False), carry)
    return lax.fori_loop(whole_end, last, partial(body, masked=True), carry)


def _forward_kernel(low_ref: Any, high_ref: Any, q_ref: Any, k_ref: Any, v_ref: Any, out_ref: Any, lse_ref: Any, *, step: int) -> None:
    low, high, q = low_ref[...], high_ref[...], q_ref[...]
    keys, width = k_ref.shape
    scale = width**-0.5 * LOG2_E

    def body(j: Array, carry: tuple[Array, Array, Array], masked: bool) -> tuple[Array, Array, Array]:
        out, top, total = carry
        at = pl.ds(j * step, step)
        score = _dot(q, k_ref[at, :].T) * scale
        if masked:
            key = (j * step + jnp.arange(step, dtype=jnp.int32))[None, :]
            visible = (key >= low[:, None]) & (key < high[:, None])
            score = jnp.where(visible, score, EMPTY_SCORE)
        new_top = jnp.maximum(top, score.max(1))
        weight = jnp.exp2(score - new_top[:, None])
        if masked:
            weight = jnp.where(visible, weight, 0.0)
        shrink = jnp.exp2(top - new_top)
        return out * shrink[:, None] + _dot(weight, v_ref[at, :]), new_top, total * shrink + weight.sum(1)

    zero = jnp.zeros(low.shape, jnp.float32)
    out, top, total = _for_key_tiles(low, high, step, keys, body, (jnp.zeros(q.shape, jnp.float32), zero + EMPTY_SCORE, zero))
    seen = total > 0
    total = jnp.where(seen, total, 1.0)
    out_ref[...] = out / total[:, None]
    lse_ref[...] = jnp.where(seen, top / LOG2_E + jnp.log(total), EMPTY_SCORE)


def _query_kernel(
    low_ref: Any,
    high_ref: Any,
    q_ref: Any,
    k_ref: Any,
    v_ref: Any,
    lse_ref: Any,
    dout_ref: Any,
    delta_ref: Any,
    old_ref: Any,
    dq_ref: Any,
    *,
    step: int,
) -> None:
    low, high, q, dout = low_ref[...], high_ref[...], q_ref[...], dout_ref[...]
    lse, delta = lse_ref[...] * LOG2_E, delta_ref[...]
    keys, width = k_ref.shape
    scale = width**-0.5

    def body(j: Array, dq: Array, masked: bool) -> Array:
        at = pl.ds(j * step, step)
        k = k_ref[at, :]
        weight = jnp.exp2(_dot(q, k.T) * (scale * LOG2_E) - lse[:, None])
        if masked:
            key = (j * step + jnp.arange(step, dtype=jnp.int32))[None, :]
            weight = jnp.where((key >= low[:, None]) & (key < high[:, None]), weight, 0.0)
        return dq + _dot(weight * (_dot(dout, v_ref[at, :].T) - delta[:, None]), k)

    dq_ref[...] = old_ref[...] + _for_key_tiles(low, high, step, keys, body, jnp.zeros(q.shape, jnp.float32)) * scale


def _key_kernel(
    first_ref: Any,
    last_ref: Any,
    low_ref: Any,
    high_ref: Any,
    q_ref: Any,
    k_ref: Any,
    v_ref: Any,
    lse_ref: Any,
    dout_ref: Any,
    delta_ref: Any,
    dk_ref: Any,
    dv_ref: Any,
    *,
    step: int,
) -> None:
    number = pl.program_id(0)
    k, v = k_ref[...], v_ref[...]
    own, width = k.shape
    tokens = low_ref.shape[0]
    scale = width**-0.5
    key = (number * own + jnp.arange(own, dtype=jnp.int32))[:, None]

    def head(g: Array, grads: tuple[Array, Array]) -> tuple[Array, Array]:
        def body(i: Array, grads: tuple[Array, Array]) -> tuple[Array, Array]:
            dk, dv = grads
            at, rows = pl.ds(i * step, step), pl.ds(g * tokens + i * step, step)
            q, dout = q_ref[rows, :], dout_ref[rows, :]
            weight = jnp.exp2(_dot(k, q.T) * (scale * LOG2_E) - lse_ref[rows][None, :] * LOG2_E)
            weight = jnp.where((key >= low_ref[at][None, :]) & (key < high_ref[at][None, :]), weight, 0.0)
            dscore = weight * (_dot(v, dout.T) - delta_ref[rows][None, :])
            return dk + _dot(dscore, q), dv + _dot(weight, dout)

        return lax.fori_loop(first_ref[number], last_ref[number], body, grads)  # type: ignore[no-any-return]

    zero = jnp.zeros(k.shape, jnp.float32)
    dk, dv = lax.fori_loop(0, q_ref.shape[0] // tokens, head, (zero, zero))
    dk_ref[...], dv_ref[...] = dk * scale, dv


def _call(kernel: Callable[..., None], name: str, tile: Tile, interpret: bool, **rest: Any) -> Callable[..., Any]:
    parameters = plgpu.CompilerParams(num_warps=tile.warps, num_stages=2)
    return pl.pallas_call(kernel, name=name, interpret=interpret, compiler_params=parameters, **rest)


class _ByQuery(NamedTuple):
    """Block specs of each kind of array for the grid (query tile, query head, row)."""

    range_BT: pl.BlockSpec
    query_BHTC: pl.BlockSpec
    key_BKSC: pl.BlockSpec
    scalar_BHT: pl.BlockSpec
    grid: tuple[int, int, int]
    step: int


def _by_query(tile: Tile, q_BKGTC: Array, k_BKSC: Array) -> _ByQuery:
    batch, key_heads, group, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    own, step = _tile_sizes(tile, tokens, keys, width)
    return _ByQuery(
        pl.BlockSpec((None, own), lambda i, _, b: (b, i)),
        pl.BlockSpec((None, None, own, width), lambda i, h, b: (b, h, i, 0)),
        pl.BlockSpec((None, None, keys, width), lambda _, h, b: (b, h // group, 0, 0)),
        pl.BlockSpec((None, None, own), lambda i, h, b: (b, h, i)),
        (tokens // own, key_heads * group, batch),
        step,
    )


def _one_head_axis(x: Array) -> Array:
    """[B, K, G, T, ...] to [B, K * G, T, ...]."""
    return x.reshape(x.shape[0], -1, *x.shape[3:])


@partial(jax.named_call, name="ring_forward")
def _forward(shard: Shard, interpret: bool) -> tuple[Array, Array]:
    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    tile = forward_tile(q_BKGTC.shape[-1])
    by = _by_query(tile, q_BKGTC, k_BKSC)
    q = _one_head_axis(q_BKGTC)
    out, lse = _call(
        partial(_forward_kernel, step=by.step),
        "ring_forward",
        tile,
        interpret,
        grid=by.grid,
        in_specs=[by.range_BT, by.range_BT, by.query_BHTC, by.key_BKSC, by.key_BKSC],
        out_specs=[by.query_BHTC, by.scalar_BHT],
        out_shape=[jax.ShapeDtypeStruct(q.shape, jnp.float32), jax.ShapeDtypeStruct(q.shape[:-1], jnp.float32)],
    )(low_BT, high_BT, q, k_BKSC, v_BKSC)
    return out.reshape(q_BKGTC.shape), lse.reshape(q_BKGTC.shape[:-1])


@partial(jax.named_call, name="ring_query_gradient")
def _query_gradient(dq_BKGTC: Array, shard: Shard, residuals: QueryResiduals, interpret: bool) -> Array:
    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    tile = backward_tile(q_BKGTC.shape[-1])
    by = _by_query(tile, q_BKGTC, k_BKSC)
    q, lse, dout, delta, old = (_one_head_axis(x) for x in (q_BKGTC, *residuals, dq_BKGTC))
    query, key, scalar = by.query_BHTC, by.key_BKSC, by.scalar_BHT
    dq = _call(
        partial(_query_kernel, step=by.step),
        "ring_query_gradient",
        tile,
        interpret,
        grid=by.grid,
        in_specs=[by.range_BT, by.range_BT, query, key, key, scalar, query, scalar, query],
        out_specs=query,
        out_shape=jax.ShapeDtypeStruct(old.shape, jnp.float32),
        input_output_aliases={8: 0},
    )(low_BT, high_BT, q, k_BKSC, v_BKSC, lse, dout, delta, old)
    return dq.reshape(q_BKGTC.shape)  # type: ignore[no-any-return]


@partial(jax.named_call, name="ring_key_gradients")
def _key_gradients(shard: Shard, residuals: QueryResiduals, interpret: bool) -> tuple[Array, Array]:
    q_BKGTC, k_BKSC, v_BKSC, low_BT, high_BT = shard
    batch, key_heads, group, tokens, width = q_BKGTC.shape
    keys = k_BKSC.shape[2]
    tile = backward_tile(width)
    own, step = _tile_sizes(tile, keys, tokens, width)
    first, last = query_tile_ranges(low_BT, high_BT, keys, own, step)

    def rows(x: Array) -> Array:
        return x.reshape(batch, key_heads, group * tokens, *x.shape[4:])

    by_row = [pl.BlockSpec((None, size), lambda _j, _h, b: (b, 0)) for size in (keys // own, tokens)]
    query = pl.BlockSpec((None, None, group * tokens, width), lambda _, h, b: (b, h, 0, 0))
    key = pl.BlockSpec((None, None, own, width), lambda j, h, b: (b, h, j, 0))
    scalar = pl.BlockSpec((None, None, group * tokens), lambda _, h, b: (b, h, 0))
    dk, dv = _call(
        partial(_key_kernel, step=step),
        "ring_key_gradients",
        tile,
        interpret,
        grid=(keys // own, key_heads, batch),
        in_specs=[by_row[0], by_row[0], by_row[1], by_row[1], query, key, key, scalar, query, scalar],
        out_specs=[key, key],
        out_shape=[jax.ShapeDtypeStruct(k_BKSC.shape, jnp.float32)] * 2,
    )(first, last, low_BT, high_BT, rows(q_BKGTC), k_BKSC, v_BKSC, *map(rows, residuals))
    return dk, dv


def query_tile_ranges(low_BT: Array, high_BT: Array, keys: int, own: int, step: int) -> tuple[Array, Array]:
    """The range [first, last) of query tiles of `step` tokens that see some key of each key tile of `own` tokens.

    Both are int32 [B, keys / own]; the range is empty where no query sees the tile.
    """
    batch, tokens = low_BT.shape
    live = low_BT < high_BT
    low = jnp.where(live, low_BT, keys).reshape(batch, -1, step).min(-1)[:, None, :]
    high = jnp.where(live, high_BT, 0).reshape(batch, -1, step).max(-1)[:, None, :]
    at = jnp.arange(0, keys, own, dtype=jnp.int32)[None, :, None]
    sees = (low < at + own) & (high > at)
    number = jnp.arange(tokens // step, dtype=jnp.int32)
    return jnp.min(jnp.where(sees, number, tokens // step), -1), jnp.max(jnp.where(sees, number + 1, 0), -1)
