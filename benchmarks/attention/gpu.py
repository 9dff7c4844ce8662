"""The backends of the ring on one GPU: one shard, no ring, beside cuDNN's attention and a plain matrix product.

MHA with 32 heads of width 128 in bfloat16. cuDNN cannot skip by document, so the peer of a packed row is cuDNN on its documents as rows of
a batch: the best that packing could give.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks.measurements import Measurement
from lwm_trainer.ring.kernels import softmax
from lwm_trainer.ring.kernels.gpu import gpu_backend
from lwm_trainer.ring.kernels.protocol import AttentionBackend, QueryResiduals, Shard
from lwm_trainer.ring.kernels.triton import Triton
from lwm_trainer.ring.ranges import key_ranges

TOKENS = (4096, 16384, 65536)
GEMM_SIZE = 8192
DOCUMENTS = 16
TURNS, CALLS = 5, 5


class Shape(NamedTuple):
    mask: str
    """`causal`, `full` or `packed16`."""
    tokens: int
    heads: int = 32
    width: int = 128

    @property
    def flops(self) -> float:
        """FLOPs of a forward pass, without what the mask removes."""
        whole = 4.0 * self.tokens**2 * self.heads * self.width
        return whole * {"full": 1.0, "causal": 0.5, "packed16": 0.5 / DOCUMENTS}[self.mask]

    def ranges(self) -> tuple[Array, Array]:
        index = jnp.arange(self.tokens, dtype=jnp.int32)[None]
        if self.mask == "full":
            return jnp.zeros_like(index), jnp.full_like(index, self.tokens)
        start = index - index % (self.tokens // DOCUMENTS) if self.mask == "packed16" else jnp.zeros_like(index)
        low, high = key_ranges(index, start, index[None])
        return low[0], high[0]

    def arrays(self, heads_first: bool) -> list[Array]:
        """q, k, v and the output's gradient: [1, T, H, C], or [1, H, T, C]."""
        size = (1, self.heads, self.tokens, self.width) if heads_first else (1, self.tokens, self.heads, self.width)
        return [jax.random.normal(key, size, jnp.bfloat16) for key in jax.random.split(jax.random.key(0), 4)]


def rows() -> Sequence[Measurement]:
    device = jax.devices()[0]
    if device.platform != "gpu":
        print("no GPU on this machine: the GPU backends are not measured")
        return []
    backends = {type(backend).__name__: backend for backend in (gpu_backend(device), Triton())}
    return [row for tokens in TOKENS for mask in ("causal", "full", "packed16") for row in contest(Shape(mask, tokens), backends, "cudnn")]


def contest(shape: Shape, backends: dict[str, AttentionBackend], peer: Any) -> Iterator[Measurement]:
    """Rows of every backend against `jax.nn.dot_product_attention` by the implementation `peer`, all turn by turn."""
    matrix = jnp.ones((GEMM_SIZE, GEMM_SIZE), jnp.bfloat16)
    product = jax.jit(jnp.matmul)
    for run, times in (("fwd", 1.0), ("fwd+bwd", 3.5)):
        calls = {name: ours(shape, backend, run) for name, backend in backends.items()}
        calls |= {"peer": theirs(shape, peer, run), "gemm": lambda: product(matrix, matrix)}
        took = seconds(calls)
        limit = 2.0 * GEMM_SIZE**3 / took["gemm"]
        for name in backends:
            speed = times * shape.flops / took[name]
            yield Measurement(
                name=f"{name}:{shape.mask} {run} {shape.tokens} vs {peer}",
                value=speed / 1e12,
                unit="TFLOP/s",
                ratio=took["peer"] / took[name],
                percent_of_limit=100 * speed / limit,
            )


def ours(shape: Shape, backend: AttentionBackend, run: str) -> Callable[[], Any]:
    q, k, v, dout = shape.arrays(heads_first=True)
    low, high = shape.ranges()

    def forward(q: Array, k: Array, v: Array) -> tuple[Array, Array]:
        return softmax.finish(backend.forward(softmax.empty(q), Shard(q, k, v, low, high)), q.dtype)

    def both(q: Array, k: Array, v: Array, dout: Array) -> tuple[Array, ...]:
        out, lse = forward(q, k, v)
        delta = jnp.sum(dout.astype(jnp.float32) * out.astype(jnp.float32), axis=-1)
        return backend.backward(jnp.zeros_like(q, jnp.float32), Shard(q, k, v, low, high), QueryResiduals(lse, dout, delta))

    q, dout = q[:, :, None], dout[:, :, None]
    compiled = jax.jit(forward if run == "fwd" else both)
    return lambda: compiled(*((q, k, v) if run == "fwd" else (q, k, v, dout)))


def theirs(shape: Shape, peer: Any, run: str) -> Callable[[], Any]:
    arrays = shape.arrays(heads_first=False)
    if shape.mask == "packed16":
        arrays = [x.reshape(DOCUMENTS, -1, *x.shape[2:]) for x in arrays]
    q, k, v, dout = arrays

    def forward(q: Array, k: Array, v: Array) -> Array:
        return jax.nn.dot_product_attention(q, k, v, is_causal=shape.mask != "full", implementation=peer)

    def both(q: Array, k: Array, v: Array, dout: Array) -> Any:
        return jax.vjp(forward, q, k, v)[1](dout)

    compiled = jax.jit(forward if run == "fwd" else both)
    return lambda: compiled(*((q, k, v) if run == "fwd" else (q, k, v, dout)))


def seconds(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Seconds of one call each: the median of TURNS turns of CALLS calls, after one that compiles."""
    for call in calls.values():
        jax.block_until_ready(call())
    turns = [{name: seconds_of(call) for name, call in calls.items()} for _ in range(TURNS)]
    return {name: statistics.median(turn[name] for turn in turns) for name in calls}


def seconds_of(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS - 1):
        call()
    jax.block_until_ready(call())
    return (time.perf_counter() - began) / CALLS
