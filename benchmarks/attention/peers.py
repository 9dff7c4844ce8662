"""Ours and the peers as compiled programs on the same mesh: each takes global arrays and gives (out,) or (out, dq, dk, dv).

Letters: B rows, T tokens, H heads, C head width.
"""

import time
from collections.abc import Callable
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks.attention.workload import DEVICES, HEADS, WIDTH
from lwm_trainer.config import Mesh
from lwm_trainer.parallel.mesh import RING_AXES, make_mesh
from lwm_trainer.ring.attention import ring_attention

Attend = Callable[[Array, Array, Array], Array]

RINGATTENTION = "ringattention"
DOT_PRODUCT = "jax.nn.dot_product_attention"

SPLIT = P(RING_AXES.rows, RING_AXES.tokens)


class CompiledAttention(NamedTuple):
    run: Callable[..., tuple[Array, ...]]
    compile_seconds: float
    temp_mib: float
    """Temporary memory of one device."""


@cache
def mesh() -> jax.sharding.Mesh:
    return make_mesh(Mesh(sp=DEVICES))


def put(x: Any) -> Array:
    """[B, T, ...] with the tokens over all devices."""
    placed: Array = jax.device_put(x, NamedSharding(mesh(), SPLIT))
    return placed


def temp_mib(compiled: jax.stages.Compiled) -> float:
    """Temporary memory of one device."""
    analysis = compiled.memory_analysis()
    if analysis is None:
        raise ValueError(f"{jax.devices()[0].platform} does not say what memory a program needs: measure on CPU devices")
    return float(analysis.temp_size_in_bytes) / 2**20


@cache
def ours(length: int, backward: bool) -> CompiledAttention:
    """Takes q, k, v, dout, index [B, T], start [B, T] in the ring's order. The schedule, which a model makes once per batch, counts."""

    def attention(*arrays: Array) -> tuple[Array, ...]:
        *qkv, dout, index, start = arrays
        return _passes(ring_attention(mesh(), RING_AXES, index, start), qkv, dout, backward)

    return _compiled(attention, *_activations(length), _integers(length), _integers(length))


@cache
def ringattention(length: int, backward: bool, packed: bool, chunk: int) -> CompiledAttention:
    """Takes q, k, v, dout and, when packed, segment ids [B, T]; each device holds neighbouring tokens, as it demands."""
    chunk = min(chunk, length // DEVICES)
    blockwise = {  # as LWM's model calls it
        "causal_block_size": 1,
        "query_chunk_size": chunk,
        "key_chunk_size": chunk,
        "deterministic": True,
        "dropout_rng": None,
        "attn_pdrop": 0.0,
        "dtype": jnp.float32,
        "policy": jax.checkpoint_policies.nothing_saveable,
        "precision": None,
        "prevent_cse": True,
    }
    call = partial(_ringattention(), axis_name=RING_AXES.ring, float32_logits=True, blockwise_kwargs=blockwise)
    shard = partial(jax.shard_map, mesh=mesh(), out_specs=SPLIT, check_vma=False)

    def attention(*arrays: Array) -> tuple[Array, ...]:
        *qkv, dout = arrays[:4]
        segments = arrays[4:]
        sharded = shard(
            lambda q, k, v, *segments: call(q, k, v, None, *(segments or (None,)), None), in_specs=(SPLIT,) * 3 + (P(),) * packed
        )
        return _passes(lambda q, k, v: sharded(q, k, v, *segments), qkv, dout, backward)

    everywhere = jax.ShapeDtypeStruct((1, length), np.int32, sharding=NamedSharding(mesh(), P()))
    return _compiled(attention, *_activations(length), *[everywhere] * packed)


@cache
def dot_product(length: int, backward: bool, packed: bool) -> CompiledAttention:
    """Takes q, k, v, dout and, when packed, start [B, T]; queries lie over all devices, XLA brings the keys together."""

    def attention(*arrays: Array) -> tuple[Array, ...]:
        *qkv, dout = arrays[:4]
        mask = _visible(jnp.arange(length)[None], arrays[4]) if packed else None
        attend = partial(jax.nn.dot_product_attention, mask=mask, is_causal=not packed)
        return _passes(attend, qkv, dout, backward)

    return _compiled(attention, *_activations(length), *[_integers(length)] * packed)


def dense_attention(mesh: jax.sharding.Mesh, axes: Any, index_BT: Array, start_BT: Array, *, inner: object) -> Attend:  # noqa: ARG001
    """What `ring_attention` does, by `jax.nn.dot_product_attention` and a mask [B, 1, T, T] of which each device has its rows."""
    keys = jax.lax.with_sharding_constraint(index_BT, NamedSharding(mesh, P(axes.rows)))
    mask = _visible(index_BT, start_BT, keys)
    return partial(jax.nn.dot_product_attention, mask=mask)


def _visible(index_BT: Array, start_BT: Array, key_BS: Array | None = None) -> Array:
    key_BS = index_BT if key_BS is None else key_BS
    return ((key_BS[:, None, :] >= start_BT[:, :, None]) & (key_BS[:, None, :] <= index_BT[:, :, None]))[:, None]


def _passes(attend: Attend, qkv: list[Array], dout: Array, backward: bool) -> tuple[Array, ...]:
    if not backward:
        return (attend(*qkv),)
    out, pull = jax.vjp(attend, *qkv)
    return (out, *pull(dout))


def _compiled(function: Callable[..., tuple[Array, ...]], *shapes: jax.ShapeDtypeStruct) -> CompiledAttention:
    began = time.perf_counter()
    split = NamedSharding(mesh(), SPLIT)
    compiled = jax.jit(function, out_shardings=split).lower(*shapes).compile()
    took = time.perf_counter() - began
    return CompiledAttention(compiled, took, temp_mib(compiled))


def _activations(length: int) -> list[jax.ShapeDtypeStruct]:
    return [jax.ShapeDtypeStruct((1, length, HEADS, WIDTH), np.float32, sharding=NamedSharding(mesh(), SPLIT))] * 4


def _integers(length: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, length), np.int32, sharding=NamedSharding(mesh(), SPLIT))


@cache
def _ringattention() -> Callable[..., Array]:
    """ringattention 0.1.2 asks a module for the backend's name that JAX has no more."""
    import jax.extend
    import jax.lib

    jax.lib.xla_bridge = SimpleNamespace(get_backend=jax.extend.backend.get_backend)  # type: ignore[attr-defined]
    from ringattention import ringattention_jax

    return ringattention_jax  # type: ignore[no-any-return]
