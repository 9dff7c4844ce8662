"""Attention in float32 with all scores at once, and rows to compare with it."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

ROWS, LENGTH, CHANNELS = 2, 192, 16


def starts(*documents: int, padding: int = 0) -> np.ndarray[Any, np.dtype[np.int32]]:
    """A row of documents of these lengths, then padding."""
    row = np.concatenate([np.full(size, at) for size, at in zip(documents, np.cumsum([0, *documents[:-1]]), strict=True)])
    tail = np.arange(len(row), len(row) + padding) + 1
    return np.concatenate([row, tail]).astype(np.int32)


PACKINGS = {
    "one document": [starts(192), starts(192)],
    "odd edges": [starts(1, 62, 1, 67, 61), starts(5, 7, 11, 13, 156)],
    "one-token documents": [starts(*[1] * 192), starts(*[1] * 96, 96)],
    "a rank without a live key": [starts(20, padding=172), starts(191, padding=1)],
    "padding only": [np.arange(1, 193, dtype=np.int32), starts(100, 92)],
}


def dense(q: Array, k: Array, v: Array, start: Array, stop: Array | None = None) -> Array:
    index = jnp.arange(q.shape[1])
    stop = stop if stop is not None else jnp.broadcast_to(index + 1, start.shape)
    group = q.shape[2] // k.shape[2]
    k, v = (jnp.repeat(x, group, axis=2) for x in (k, v))
    visible = (index[None, None, :] >= start[:, :, None]) & (index[None, None, :] < stop[:, :, None])
    score = jnp.einsum("bqhc,bkhc->bhqk", q, k, precision="highest") * q.shape[-1] ** -0.5
    score = jnp.where(visible[:, None], score, -jnp.inf)
    top = jnp.where(visible.any(-1)[:, None, :, None], score.max(-1, keepdims=True), 0.0)
    weight = jnp.exp(score - top)
    weight = weight / jnp.maximum(weight.sum(-1, keepdims=True), 1e-30)
    return jnp.einsum("bhqk,bkhc->bqhc", weight, v, precision="highest")


def example(heads: int, key_heads: int, channels: int = CHANNELS) -> list[Any]:
    random = np.random.default_rng(0)
    return [random.standard_normal((ROWS, LENGTH, count, channels), dtype=np.float32) for count in (heads, key_heads, key_heads, heads)]


def distance(actual: Any, expected: Any) -> float:
    return float(np.abs(np.asarray(actual) - np.asarray(expected)).max() / max(np.abs(np.asarray(expected)).max(), 1e-30))
