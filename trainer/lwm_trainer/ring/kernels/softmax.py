"""The online softmax that all backends carry from shard to shard, in float32 (Milakov and Gimelshein 2018, arXiv 1805.02867).

Letters: B rows, K key heads, G query heads per key head, T query tokens, C head width.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

EMPTY_SCORE = -1e30
"""Maximum and log-sum-exp of a query that has seen no key. Finite, because the difference of two infinities is NaN."""


class OnlineSoftmax(NamedTuple):
    """The state of the online softmax of all queries."""

    out_BKGTC: Array
    """float32, weighted sum of values, not yet divided by `sum_BKGT`."""
    top_BKGT: Array
    """float32, the largest score so far."""
    sum_BKGT: Array
    """float32, sum of exp(score - top)."""


def empty(q_BKGTC: Array) -> OnlineSoftmax:
    """The state before any key was seen; derived from the queries, so that it varies over the same mesh axes."""
    out = jnp.zeros_like(q_BKGTC, dtype=jnp.float32)
    return OnlineSoftmax(out, out[..., 0] + EMPTY_SCORE, out[..., 0])


def finish(carry: OnlineSoftmax, dtype: jnp.dtype) -> tuple[Array, Array]:
    """The output [B, K, G, T, C] in `dtype` and the log-sum-exp [B, K, G, T] in float32; zero and `EMPTY_SCORE` where no key was seen."""
    seen = carry.sum_BKGT > 0
    total = jnp.where(seen, carry.sum_BKGT, 1.0)
    out = carry.out_BKGTC / total[..., None]
    lse = jnp.where(seen, carry.top_BKGT + jnp.log(total), EMPTY_SCORE)
    return out.astype(dtype), lse


def merge(carry: OnlineSoftmax, out_BKGTC: Array, lse_BKGT: Array) -> OnlineSoftmax:
    """Add the result of a kernel for one shard: its normalized output and its log-sum-exp, at most `EMPTY_SCORE` where it saw no key."""
    top = jnp.maximum(carry.top_BKGT, lse_BKGT)
    old, new = jnp.exp(carry.top_BKGT - top), jnp.where(lse_BKGT > EMPTY_SCORE, jnp.exp(lse_BKGT - top), 0.0)
    out = carry.out_BKGTC * old[..., None] + out_BKGTC.astype(jnp.float32) * new[..., None]
    return OnlineSoftmax(out, top, carry.sum_BKGT * old + new)
