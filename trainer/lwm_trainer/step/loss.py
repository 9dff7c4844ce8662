"""Weighted cross-entropy over a large vocabulary, in chunks of tokens: the logits of a batch are never alive at once.

One pass over the chunks gives the loss and, where it is differentiated, its gradients by stream and head, so that the logits of a chunk
are computed once.

Letters: B rows, T tokens, D width, V vocabulary (this rank's part inside the shards), N tokens of a chunk.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.sharding import PartitionSpec as P

from lwm_trainer.ring.axes import Axes
from lwm_trainer.ring.divisors import largest_divisor

LOGIT_BYTES = {"cpu": 2**24}
"""Of a chunk's float32 logits on a device, by platform: on a CPU they should stay in its cache."""
MOST_LOGIT_BYTES = 2**28
"""Elsewhere: 2,097 tokens of 32,000 pieces, enough to keep a matrix unit busy."""


class Losses(NamedTuple):
    """Sums over the weighted targets of the global batch, float32 scalars."""

    minimised: Array
    """Cross-entropy and z-loss."""
    cross_entropy: Array
    """In nats; carries no gradient."""


class _Sums(NamedTuple):
    minimised: Array
    cross_entropy: Array
    stream: Array
    """The gradient of `minimised`, in the stream's dtype; of no tokens when nobody asks."""
    head: Array
    """The gradient, float32; of no columns when nobody asks."""


def weighted_loss(
    mesh: jax.sharding.Mesh, axes: Axes, stream_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array, z_loss_weight: float = 0.0
) -> Losses:
    """The sums of weight * (negative log-likelihood + z_loss_weight * log-sum-exp^2) and of its first part.

    Each device sees its own tokens and its part of the vocabulary (`axes.heads` shards it). Products are in the stream's dtype, scores,
    sums and the head's gradient in float32.
    """
    everywhere = (*axes.rows, *axes.tokens)
    tokens, stream, head = P(axes.rows, axes.tokens), P(axes.rows, axes.tokens, None), P(None, axes.heads)

    def sums(gradients: bool) -> Callable[[Array, Array, Array, Array], _Sums]:
        return jax.shard_map(
            partial(_sums, axis=axes.heads, everywhere=everywhere, z_loss_weight=z_loss_weight, bytes=_bytes(mesh), gradients=gradients),
            mesh=mesh,
            in_specs=(stream, head, tokens, tokens),
            out_specs=_Sums(*(P(), P(), stream, head)),  # type: ignore[arg-type]
            check_vma=False,
        )

    @jax.custom_vjp
    def value(x_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array) -> Losses:
        found = sums(gradients=False)(x_BTD, head_DV.astype(x_BTD.dtype), target_BT, weight_BT)
        return Losses(found.minimised, found.cross_entropy)

    def forward(x_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array) -> tuple[Losses, tuple[Array, Array]]:
        found = sums(gradients=True)(x_BTD, head_DV.astype(x_BTD.dtype), target_BT, weight_BT)
        return Losses(found.minimised, found.cross_entropy), (found.stream, found.head)

    def backward(gradients: tuple[Array, Array], by: Losses) -> tuple[Array, Array, None, None]:
        dx_BTD, dhead_DV = gradients
        return (dx_BTD * by.minimised).astype(dx_BTD.dtype), (dhead_DV * by.minimised).astype(head_DV.dtype), None, None

    value.defvjp(forward, backward)
    found = value(stream_BTD, head_DV, target_BT, weight_BT)
    return found._replace(cross_entropy=lax.stop_gradient(found.cross_entropy))


def _bytes(mesh: jax.sharding.Mesh) -> int:
    return LOGIT_BYTES.get(mesh.devices.flat[0].platform, MOST_LOGIT_BYTES)


def _sums(
    x_BTD: Array,
    head_DV: Array,
    target_BT: Array,
    weight_BT: Array,
    *,
    axis: str,
    everywhere: tuple[str, ...],
    z_loss_weight: float,
    bytes: int,
    gradients: bool,
) -> _Sums:
    """What one device does."""
    size = largest_divisor(target_BT.size, max(1, bytes // (4 * head_DV.shape[1])))
    column_V = lax.axis_index(axis) * head_DV.shape[1] + jnp.arange(head_DV.shape[1], dtype=jnp.int32)

    def chunk(total: _Sums, part: tuple[Array, Array, Array]) -> tuple[_Sums, Array]:
        x_ND, target_N, weight_N = part
        logits_NV = jnp.matmul(x_ND, head_DV, preferred_element_type=jnp.float32)
        top_N = lax.pmax(logits_NV.max(-1), axis)
        local_N = jnp.clip(target_N - column_V[0], 0, column_V.size - 1)
        score_N = jnp.take_along_axis(logits_NV, local_N[:, None], axis=-1)[:, 0]
        score_N = jnp.where(column_V[local_N] == target_N, score_N, 0.0)
        normaliser_N, score_N = lax.psum((jnp.exp(logits_NV - top_N[:, None]).sum(-1), score_N), axis)
        lse_N = top_N + jnp.log(normaliser_N)
        entropy = jnp.sum(weight_N * (lse_N - score_N))
        minimised = entropy + z_loss_weight * jnp.sum(weight_N * lse_N**2)
        dx_ND, dhead_DV = x_ND[:0], total.head
        if gradients:
            of_lse_N, is_target_NV = weight_N * (1 + 2 * z_loss_weight * lse_N), column_V == target_N[:, None]
            dlogits_NV = of_lse_N[:, None] * jnp.exp(logits_NV - lse_N[:, None]) - jnp.where(is_target_NV, weight_N[:, None], 0.0)
            dlogits_NV = dlogits_NV.astype(x_ND.dtype)
            dx_ND = lax.psum(jnp.matmul(dlogits_NV, head_DV.T, preferred_element_type=jnp.float32), axis).astype(x_ND.dtype)
            dhead_DV = dhead_DV + jnp.matmul(x_ND.T, dlogits_NV, preferred_element_type=jnp.float32)
        return _Sums(total.minimised + minimised, total.cross_entropy + entropy, total.stream, dhead_DV), dx_ND

    zero = jnp.zeros((), jnp.float32)
    start = _Sums(zero, zero, x_BTD[:0], jnp.zeros(head_DV.shape if gradients else (head_DV.shape[0], 0), jnp.float32))
    parts = (x_BTD.reshape(-1, size, x_BTD.shape[-1]), target_BT.reshape(-1, size), weight_BT.reshape(-1, size))
    total, dx = lax.scan(chunk, start, parts)
    minimised, entropy, dhead_DV = lax.psum((total.minimised, total.cross_entropy, total.head), everywhere)
    return _Sums(minimised, entropy, dx.reshape(x_BTD.shape) if gradients else x_BTD[:0], dhead_DV)
