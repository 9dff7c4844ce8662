"""Weighted cross-entropy over a large vocabulary, in chunks of tokens, so that the logits of a batch never exist all at once.

One pass over the chunks computes the loss and, where it is differentiated, its gradients by stream and head: the logits of a chunk are
computed only once.

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
from lwm_trainer.ring.chunks import largest_divisor

LOGIT_BYTES = {"cpu": 2**24}
"""Bytes of a chunk's float32 logits on a device, by platform. On a CPU they should stay in its cache."""
DEFAULT_LOGIT_BYTES = 2**28
"""Bytes on other platforms: 2,097 tokens of a vocabulary of 32,000, enough to keep a matrix unit busy."""


class LossSums(NamedTuple):
    """Sums over the weighted targets of the global batch, float32 scalars."""

    objective: Array
    """Cross-entropy plus z-loss."""
    cross_entropy: Array
    """In nats, without a gradient."""


class _DeviceSums(NamedTuple):
    objective: Array
    cross_entropy: Array
    stream: Array
    """The gradient of `objective` by the stream, in the stream's dtype; without tokens when no gradient is wanted."""
    head: Array
    """The gradient by the head, float32; without columns when no gradient is wanted."""


def weighted_loss(
    mesh: jax.sharding.Mesh, axes: Axes, stream_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array, z_loss_weight: float = 0.0
) -> LossSums:
    """The sums over all targets of weight * (negative log-likelihood + z_loss_weight * log-sum-exp^2), and of the first term alone.

    Each device computes its own tokens and its part of the vocabulary, which `axes.heads` shards. Products are in the stream's dtype;
    scores, sums and the head's gradient are in float32. The z-loss is PaLM's.
    """
    data_axes = (*axes.rows, *axes.tokens)
    tokens, stream, head = P(axes.rows, axes.tokens), P(axes.rows, axes.tokens, None), P(None, axes.heads)

    def sums(gradients: bool) -> Callable[[Array, Array, Array, Array], _DeviceSums]:
        return jax.shard_map(
            partial(
                _device_sums,
                axis=axes.heads,
                data_axes=data_axes,
                z_loss_weight=z_loss_weight,
                mesh=mesh,
                gradients=gradients,
            ),
            mesh=mesh,
            in_specs=(stream, head, tokens, tokens),
            out_specs=_DeviceSums(*(P(), P(), stream, head)),  # type: ignore[arg-type]
            check_vma=False,
        )

    @jax.custom_vjp
    def value(x_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array) -> LossSums:
        total = sums(gradients=False)(x_BTD, head_DV.astype(x_BTD.dtype), target_BT, weight_BT)
        return LossSums(total.objective, total.cross_entropy)

    def forward(x_BTD: Array, head_DV: Array, target_BT: Array, weight_BT: Array) -> tuple[LossSums, tuple[Array, Array]]:
        total = sums(gradients=True)(x_BTD, head_DV.astype(x_BTD.dtype), target_BT, weight_BT)
        return LossSums(total.objective, total.cross_entropy), (total.stream, total.head)

    def backward(gradients: tuple[Array, Array], by: LossSums) -> tuple[Array, Array, None, None]:
        dx_BTD, dhead_DV = gradients
        return (dx_BTD * by.objective).astype(dx_BTD.dtype), (dhead_DV * by.objective).astype(head_DV.dtype), None, None

    value.defvjp(forward, backward)
    total = value(stream_BTD, head_DV, target_BT, weight_BT)
    return total._replace(cross_entropy=lax.stop_gradient(total.cross_entropy))


def target_entropies(mesh: jax.sharding.Mesh, axes: Axes, stream_BTD: Array, head_DV: Array, target_BT: Array) -> Array:
    """The negative log-likelihood of every target in nats: float32 [B, T], sharded as `target_BT` is. It has no gradient."""
    tokens, stream, head = P(axes.rows, axes.tokens), P(axes.rows, axes.tokens, None), P(None, axes.heads)

    def of_device(x_BTD: Array, head_DV: Array, target_BT: Array) -> Array:
        size, column_V = _chunk_size(mesh, head_DV, target_BT), _columns(head_DV, axes.heads)

        def chunk(part: tuple[Array, Array]) -> Array:
            _, lse_N, score_N = _scores(part[0], head_DV, part[1], column_V, axes.heads)
            return lse_N - score_N

        chunks: Array = lax.map(chunk, (x_BTD.reshape(-1, size, x_BTD.shape[-1]), target_BT.reshape(-1, size)))
        return chunks.reshape(target_BT.shape)

    mapped = jax.shard_map(of_device, mesh=mesh, in_specs=(stream, head, tokens), out_specs=tokens, check_vma=False)
    entropy_BT: Array = mapped(stream_BTD, head_DV.astype(stream_BTD.dtype), target_BT)
    return entropy_BT


def _chunk_size(mesh: jax.sharding.Mesh, head_DV: Array, target_BT: Array) -> int:
    """Tokens of a chunk on one device."""
    return largest_divisor(target_BT.size, max(1, _logit_bytes(mesh) // (4 * head_DV.shape[1])))


def _columns(head_DV: Array, axis: str) -> Array:
    """The numbers of this device's columns in the whole vocabulary."""
    return lax.axis_index(axis) * head_DV.shape[1] + jnp.arange(head_DV.shape[1], dtype=jnp.int32)


def _scores(x_ND: Array, head_DV: Array, target_N: Array, column_V: Array, axis: str) -> tuple[Array, Array, Array]:
    """This device's logits [N, V], and over the whole vocabulary the log-sum-exp [N] and the targets' logits [N], in float32."""
    logits_NV = jnp.matmul(x_ND, head_DV, preferred_element_type=jnp.float32)
    top_N = lax.pmax(logits_NV.max(-1), axis)
    local_N = jnp.clip(target_N - column_V[0], 0, column_V.size - 1)
    score_N = jnp.take_along_axis(logits_NV, local_N[:, None], axis=-1)[:, 0]
    score_N = jnp.where(column_V[local_N] == target_N, score_N, 0.0)
    normaliser_N, score_N = lax.psum((jnp.exp(logits_NV - top_N[:, None]).sum(-1), score_N), axis)
    return logits_NV, top_N + jnp.log(normaliser_N), score_N


def _logit_bytes(mesh: jax.sharding.Mesh) -> int:
    return LOGIT_BYTES.get(mesh.devices.flat[0].platform, DEFAULT_LOGIT_BYTES)


def _device_sums(
    x_BTD: Array,
    head_DV: Array,
    target_BT: Array,
    weight_BT: Array,
    *,
    axis: str,
    data_axes: tuple[str, ...],
    z_loss_weight: float,
    mesh: jax.sharding.Mesh,
    gradients: bool,
) -> _DeviceSums:
    """The part of one device."""
    size, column_V = _chunk_size(mesh, head_DV, target_BT), _columns(head_DV, axis)

    def chunk(total: _DeviceSums, part: tuple[Array, Array, Array]) -> tuple[_DeviceSums, Array]:
        x_ND, target_N, weight_N = part
        logits_NV, lse_N, score_N = _scores(x_ND, head_DV, target_N, column_V, axis)
        entropy = jnp.sum(weight_N * (lse_N - score_N))
        objective = entropy + z_loss_weight * jnp.sum(weight_N * lse_N**2)
        dx_ND, dhead_DV = x_ND[:0], total.head
        if gradients:
            of_lse_N, is_target_NV = weight_N * (1 + 2 * z_loss_weight * lse_N), column_V == target_N[:, None]
            dlogits_NV = of_lse_N[:, None] * jnp.exp(logits_NV - lse_N[:, None]) - jnp.where(is_target_NV, weight_N[:, None], 0.0)
            dlogits_NV = dlogits_NV.astype(x_ND.dtype)
            dx_ND = lax.psum(jnp.matmul(dlogits_NV, head_DV.T, preferred_element_type=jnp.float32), axis).astype(x_ND.dtype)
            dhead_DV = dhead_DV + jnp.matmul(x_ND.T, dlogits_NV, preferred_element_type=jnp.float32)
        return _DeviceSums(total.objective + objective, total.cross_entropy + entropy, total.stream, dhead_DV), dx_ND

    zero = jnp.zeros((), jnp.float32)
    start = _DeviceSums(zero, zero, x_BTD[:0], jnp.zeros(head_DV.shape if gradients else (head_DV.shape[0], 0), jnp.float32))
    parts = (x_BTD.reshape(-1, size, x_BTD.shape[-1]), target_BT.reshape(-1, size), weight_BT.reshape(-1, size))
    total, dx = lax.scan(chunk, start, parts)
    objective, entropy, dhead_DV = lax.psum((total.objective, total.cross_entropy, total.head), data_axes)
    return _DeviceSums(objective, entropy, dx.reshape(x_BTD.shape) if gradients else x_BTD[:0], dhead_DV)
