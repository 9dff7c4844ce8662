"""The backend loops for GPUs: their numbers by interpretation on the CPU, and that they lower for CUDA."""

import re
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import ring_attention
from lwm_trainer.ring.kernels import gpu, softmax
from lwm_trainer.ring.kernels.blockwise import Blockwise
from lwm_trainer.ring.kernels.gpu import Hopper
from lwm_trainer.ring.kernels.protocol import AttentionBackend, QueryResiduals, Shard
from lwm_trainer.ring.kernels.triton import Triton, query_tile_ranges, tile_size

pytestmark = pytest.mark.filterwarnings("ignore:The out_shape and scratch_shapes:DeprecationWarning")  # tokamax 0.0.12 on this jax

ROWS, KEY_HEADS, GROUP, TOKENS, KEYS, WIDTH = 2, 2, 2, 192, 96, 16
QUICKLY = {"xla_backend_optimization_level": 0}
"""Interpreted kernels take far longer to compile than to run."""
KERNEL = re.compile(r"custom_call @(mosaic_gpu_v2|__gpu\$xla\.gpu\.triton)\(.*: \(([^)]*)\) -> ")


def example(dtype: Any = jnp.float32, tokens: int = TOKENS, shards: int = 2, keys: int = KEYS) -> Any:
    """Queries, shards of (keys, values), and the output's gradient."""
    random = np.random.default_rng(0)

    def normal(*shape: int) -> Array:
        return jnp.asarray(random.standard_normal(shape, dtype=np.float32), dtype)

    q, dout = (normal(ROWS, KEY_HEADS, GROUP, tokens, WIDTH) for _ in range(2))
    return q, [(normal(ROWS, KEY_HEADS, keys, WIDTH), normal(ROWS, KEY_HEADS, keys, WIDTH)) for _ in range(shards)], dout


def ragged(tokens: int = TOKENS) -> list[tuple[Array, Array]]:
    """Two shards' ranges: documents with odd edges, queries that see one shard only, and a tail that sees no key at all."""
    at = np.arange(tokens)
    first = np.stack([np.where(at < 40, 0, 37), at // 2])
    one = np.clip(first, 0, KEYS), np.clip(np.stack([at + 1, at // 2 + at % 7]), 0, KEYS)
    two = np.full((ROWS, tokens), 3), np.stack([np.clip(at - KEYS, 0, KEYS), np.where(at > 70, 50, 0)])
    for low, high in (one, two):
        low[:, 150:], high[:, 150:] = 9, 2
    return [(jnp.asarray(low, jnp.int32), jnp.asarray(high, jnp.int32)) for low, high in (one, two)]


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def through(backend: AttentionBackend, q: Array, shards: Any, dout: Array, ranges: Any) -> tuple[Array, ...]:
    """(output, log-sum-exp, dq, dk and dv of each shard) of queries that meet the shards one by one."""
    carry = softmax.empty(q)
    for (k, v), (low, high) in zip(shards, ranges, strict=True):
        carry = backend.forward(carry, Shard(q, k, v, low, high))
    out, lse = softmax.finish(carry, jnp.float32)
    delta = jnp.sum(dout.astype(jnp.float32) * out, axis=-1)
    dq, grads = jnp.zeros_like(q, jnp.float32), []
    for (k, v), (low, high) in zip(shards, ranges, strict=True):
        dq, *more = backend.backward(dq, Shard(q, k, v, low, high), QueryResiduals(lse, dout, delta))
        grads += more
    return out, lse, dq, *grads


def distance(actual: Array, expected: Array) -> float:
    assert actual.dtype == jnp.float32
    return float(jnp.abs(actual - expected).max() / jnp.abs(expected).max())


def test_the_kernels_do_what_plain_xla_does() -> None:
    given = (*example(), ragged())
    for actual, expected in zip(through(Triton(interpret=True), *given), through(Blockwise(16), *given), strict=True):
        assert distance(actual, expected) <= 1e-5


def test_a_query_without_keys_gets_zero_and_gives_none() -> None:
    q, shards, dout = example()
    ranges = ragged()
    out, lse, dq, *grads = through(Triton(interpret=True), q, shards, dout, ranges)
    assert not out[..., 150:, :].any()
    assert not dq[..., 150:, :].any()
    assert (lse[..., 150:] == softmax.EMPTY_SCORE).all()
    louder = through(Triton(interpret=True), q, shards, dout.at[..., 150:, :].mul(1000.0), ranges)[3:]
    for before, after in zip(grads, louder, strict=True):
        np.testing.assert_array_equal(before, after)


def test_products_in_bfloat16_cost_no_more_than_their_rounding() -> None:
    given = (*example(jnp.bfloat16), ragged())
    for actual, expected in zip(through(Triton(interpret=True), *given), through(Blockwise(16), *given), strict=True):
        assert distance(actual, expected) <= 2**-7


def test_key_tiles_that_no_query_sees_are_not_read() -> None:
    """They hold NaN, which a mask on scores would not keep out of the products."""
    q, [(k, v), later], dout = example()
    low, high = jnp.full((ROWS, TOKENS), 35, jnp.int32), jnp.full((ROWS, TOKENS), 60, jnp.int32)
    unseen = (jnp.arange(KEYS) < 32) | (jnp.arange(KEYS) >= 64)
    k, v = (jnp.where(unseen[:, None], jnp.nan, x) for x in (k, v))
    actual = through(Triton(interpret=True), q, [(k, v), later], dout, [(low, high), (low, low)])
    for figure in actual:
        assert jnp.isfinite(figure).all()
    assert not actual[3][:, :, unseen].any()
    assert not actual[4][:, :, unseen].any()


def test_query_tiles_that_see_a_key_tile_are_found_by_the_ranges() -> None:
    low, high = (jnp.asarray([[0, 0, 5, 9, 9, 30, 16, 24]], jnp.int32), jnp.asarray([[4, 2, 9, 9, 3, 2, 24, 32]], jnp.int32))
    first, last = query_tile_ranges(low, high, keys=32, own=8, step=2)
    assert first.tolist() == [[0, 1, 3, 3]]
    assert last.tolist() == [[2, 2, 4, 4]]


def test_a_key_tile_that_no_query_sees_has_no_query_tiles() -> None:
    low, high = jnp.asarray([[9, 9]], jnp.int32), jnp.asarray([[12, 9]], jnp.int32)
    first, last = query_tile_ranges(low, high, keys=16, own=8, step=1)
    assert (last <= first).tolist() == [[True, False]]


def test_the_ring_over_eight_devices_with_the_kernels_does_what_it_does_in_plain_xla() -> None:
    random = np.random.default_rng(1)
    q, k, v = (jnp.asarray(random.standard_normal((1, 256, heads, 16)), jnp.float32) for heads in (4, 2, 2))
    index = jnp.arange(256, dtype=jnp.int32)[None]
    start = jnp.where(index < 130, 0, jnp.where(index < 250, 130, index + 1))

    @partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
    def run(backend: AttentionBackend) -> Any:
        out, pull = jax.vjp(ring_attention(make_mesh(Mesh(sp=8)), RING_AXES, index, start, backend=backend), q, k, v)
        return out, *pull(jnp.cos(out))

    for actual, expected in zip(run(Triton(interpret=True)), run(Blockwise(16)), strict=True):
        assert distance(actual, expected) <= 1e-5


def test_the_hopper_kernel_is_asked_and_read_in_the_right_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """tokamax's dense attention stands in for its Mosaic kernel: one contract for ranges, scale and residuals."""
    from tokamax._src.ops.attention import base, pallas_mosaic_gpu_kernel_sm90

    def stand_in(q: Array, k: Array, v: Array, *, k_start: Array, k_end: Array, logits_scale: float, **_: Any) -> Any:
        mask = base.Mask(k_start=k_start, k_end=k_end)
        return base.DotProductAttention()(q, k, v, mask=mask, logits_scale=logits_scale, return_residuals=True)

    monkeypatch.setattr(pallas_mosaic_gpu_kernel_sm90, "flash_attention_kernel", stand_in)
    monkeypatch.setattr("sys.argv", ["test"])  # tokamax's operations, unlike the kernel itself, read the command line
    q, shards, _ = example(jnp.bfloat16, tokens=2 * gpu.TILE, keys=gpu.TILE)

    @partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
    def seen(backend: AttentionBackend) -> tuple[Array, Array]:
        carry = softmax.empty(q)
        for (k, v), (low, high) in zip(shards, ragged(2 * gpu.TILE), strict=True):
            carry = backend.forward(carry, Shard(q, k, v, low, high))
        return softmax.finish(carry, jnp.float32)

    out, lse = seen(Hopper())
    expected, expected_lse = seen(Blockwise(16))
    np.testing.assert_allclose(lse, expected_lse, rtol=1e-5, atol=1e-5)
    assert distance(out, expected) <= 2**-6
    assert not out[..., 150:, :].any()


def lowered(function: Any, *given: Any) -> tuple[str, list[tuple[str, str]]]:
    """The program for CUDA, and its kernels: (custom call, types of its operands)."""
    allowed = [jax.export.DisabledSafetyCheck.custom_call(name) for name in ("__gpu$xla.gpu.triton", "mosaic_gpu_v2")]
    text = jax.export.export(jax.jit(function), platforms=["cuda"], disabled_checks=allowed)(*given).mlir_module()
    return text, KERNEL.findall(text)


def like(*shape: int, dtype: Any = jnp.bfloat16) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize(("backend", "forward"), [(Triton(), "__gpu$xla.gpu.triton"), (Hopper(), "mosaic_gpu_v2")])
def test_both_backends_lower_for_cuda_with_the_ranges_as_operands(backend: AttentionBackend, forward: str, width: int) -> None:
    q, k = like(2, 1, 8, 256, width), like(2, 1, 256, width)
    figure, ranges = like(2, 1, 8, 256, dtype=jnp.float32), like(2, 256, dtype=jnp.int32)

    def run(q: Array, k: Array, v: Array, low: Array, high: Array, lse: Array, dout: Array, delta: Array) -> Any:
        start = softmax.empty(q)
        return backend.forward(start, Shard(q, k, v, low, high)), backend.backward(
            start.out_BKGTC, Shard(q, k, v, low, high), QueryResiduals(lse, dout, delta)
        )

    _, kernels = lowered(run, q, k, k, ranges, ranges, figure, q, figure)
    assert [name for name, _ in kernels] == [forward, "__gpu$xla.gpu.triton", "__gpu$xla.gpu.triton"]
    for _, operands in kernels:
        assert len(re.findall(r"tensor<2x(?:1x)?256xi32>", operands)) == 2
        assert len(re.findall(rf"tensor<2x(?:1x256|256x1)x{width}xbf16>", operands)) == 2, "one head of keys and values, not eight"


@pytest.mark.parametrize(("backend", "name"), [(Triton(), "__gpu$xla.gpu.triton"), (Hopper(), "mosaic_gpu_v2")])
def test_the_whole_ring_lowers_for_cuda_and_keys_travel_in_bfloat16(backend: AttentionBackend, name: str) -> None:
    def run(q: Array, k: Array, v: Array, index: Array, start: Array) -> Any:
        out, pull = jax.vjp(ring_attention(make_mesh(Mesh(sp=8)), RING_AXES, index, start, backend=backend), q, k, v)
        return out, pull(out)

    token = like(1, 2048, dtype=jnp.int32)
    text, kernels = lowered(run, like(1, 2048, 8, 64), like(1, 2048, 1, 64), like(1, 2048, 1, 64), token, token)
    assert name in [kernel for kernel, _ in kernels]
    onward = r"collective_permute.*\[\[0, 1\], \[1, 2\],.*: \(tensor<1x1x256x64x(\w+)>\)"
    assert re.findall(onward, text)[:4] == ["bf16"] * 4, "forward and backward, keys and values"


def test_shapes_that_no_tile_fits_are_refused_with_the_fix() -> None:
    assert tile_size(192, 128, "tokens") == 64
    with pytest.raises(ValueError, match=r"24 tokens on a device are not a multiple of 16: choose a sequence length and mesh.sp"):
        tile_size(24, 128, "tokens")
    q, k = jnp.zeros((1, 1, 1, 32, 48), jnp.bfloat16), jnp.zeros((1, 1, 32, 48), jnp.bfloat16)
    with pytest.raises(ValueError, match="head width 48 is not a power of two"):
        Triton().forward(softmax.empty(q), Shard(q, k, k, jnp.zeros((1, 32), jnp.int32), jnp.ones((1, 32), jnp.int32)))


def test_tokens_that_are_not_whole_tiles_go_to_triton() -> None:
    q, k, ranges = like(1, 1, 2, 192, 64), like(1, 1, 192, 64), like(1, 192, dtype=jnp.int32)
    _, kernels = lowered(lambda q, k, low, high: Hopper().forward(softmax.empty(q), Shard(q, k, k, low, high)), q, k, ranges, ranges)
    assert [name for name, _ in kernels] == ["__gpu$xla.gpu.triton"]


@pytest.mark.parametrize(("capability", "backend"), [("8.0", Triton()), ("9.0", Hopper()), ("10.0", Triton())])
def test_the_mosaic_kernel_is_chosen_on_hopper_only(capability: str, backend: AttentionBackend) -> None:
    assert type(gpu.gpu_backend(SimpleNamespace(compute_capability=capability))) is type(backend)
