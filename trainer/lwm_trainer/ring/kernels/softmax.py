"""The online softmax that all inner loops carry from shard to shard (Milakov and Gimelshein 2018), in float32.

Letters: B rows, K key heads, G query heads per key head, T query tokens, C head width.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

NOTHING = -1e30
"""The maximum and log-sum-exp of a query that has seen no key: finite, so that no NaN arises from a difference of two."""


class Softmax(NamedTuple):
    """The online softmax of all queries, carried from shard to shard."""

    out_BKGTC: Array
    """float32, not yet divided by the sum."""
    top_BKGT: Array
    """float32, the largest score so far."""
    sum_BKGT: Array
    """float32, of exp(score - top)."""


def empty(q_BKGTC: Array) -> Softmax:
    """Before any key was seen; made from the queries so that it varies over the same mesh axes."""
    out = jnp.zeros_like(q_BKGTC, dtype=jnp.float32)
    return Softmax(out, out[..., 0] + NOTHING, out[..., 0])


def finish(carry: Softmax, dtype: jnp.dtype) -> tuple[Array, Array]:
    """(output [B, K, G, T, C] in `dtype`, log-sum-exp [B, K, G, T] in float32); zero and `NOTHING` where no key was seen."""
    seen = carry.sum_BKGT > 0
    total = jnp.where(seen, carry.sum_BKGT, 1.0)
    out = carry.out_BKGTC / total[..., None]
    lse = jnp.where(seen, carry.top_BKGT + jnp.log(total), NOTHING)
    return out.astype(dtype), lse


def merge(carry: Softmax, out_BKGTC: Array, lse_BKGT: Array) -> Softmax:
    """Add what a kernel found in one shard: its normalised output and its log-sum-exp, `NOTHING` or less where it saw no key."""
    top = jnp.maximum(carry.top_BKGT, lse_BKGT)
    old, new = jnp.exp(carry.top_BKGT - top), jnp.where(lse_BKGT > NOTHING, jnp.exp(lse_BKGT - top), 0.0)
    out = carry.out_BKGTC * old[..., None] + out_BKGTC.astype(jnp.float32) * new[..., None]
    return Softmax(out, top, carry.sum_BKGT * old + new)
