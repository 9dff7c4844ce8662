"""Weighted cross-entropy over a large vocabulary, in chunks of tokens: the logits of a batch are never alive at once.

Letters: B rows, T tokens, D width, V vocabulary (this rank's part inside the shards), N tokens of a chunk.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec as P

from lwm_trainer.divisors import largest_divisor
from lwm_trainer.ring.axes import Axes

LARGEST_CHUNK = 1024
"""Tokens whose logits are alive at once on a device."""


def weighted_loss(mesh: jax.sharding.Mesh, axes: Axes, stream_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array) -> Array:
    """The sum of weight * negative log-likelihood in nats over the global batch, a float32 scalar.

    Each device sees its own tokens and its part of the vocabulary (`axes.heads` shards it); scores and sums are float32.
    """
    everywhere = (*axes.rows, *axes.tokens)
    tokens = P(axes.rows, axes.tokens)

    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(P(axes.rows, axes.tokens, None), P(None, axes.heads), tokens, tokens),
        out_specs=P(),
    )
    def sums(stream: Array, head: Array, target: Array, weight: Array) -> Array:
        size = largest_divisor(target.size, LARGEST_CHUNK)
        first = lax.axis_index(axes.heads) * head.shape[1]

        @jax.checkpoint
        def chunk(x_ND: Array, target_N: Array, weight_N: Array) -> Array:
            logits_NV = jnp.matmul(x_ND, head, preferred_element_type=jnp.float32)
            top_N = lax.pmax(lax.stop_gradient(logits_NV).max(-1), axes.heads)
            total_N = lax.psum(jnp.exp(logits_NV - top_N[:, None]).sum(-1), axes.heads)
            local_N = target_N - first
            mine = (local_N >= 0) & (local_N < head.shape[1])
            column = jnp.clip(local_N, 0, head.shape[1] - 1)
            score_N = jnp.take_along_axis(logits_NV, column[:, None], axis=-1)[:, 0]
            score_N = lax.psum(jnp.where(mine, score_N, 0.0), axes.heads)
            return jnp.sum(weight_N * (jnp.log(total_N) + top_N - score_N))

        parts = (stream.reshape(-1, size, stream.shape[-1]), target.reshape(-1, size), weight.reshape(-1, size))
        losses = lax.map(lambda part: chunk(*part), parts)
        return lax.psum(losses.sum(), everywhere)

    total: Array = sums(stream_BTD, head_DV, target_BT, weight_BT)
    return total
