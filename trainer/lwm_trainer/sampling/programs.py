"""Prefill and decode as compiled programs: one of each for any length of prompt.

Letters: B rows, C tokens of a chunk, N of them whose logits exist at once, W tokens of a step of decoding, D width, V vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.ring.cached_attention import CachedAttention, KeysAndValues, cache_spec, decode_attention, prefill_attention
from lwm_trainer.ring.chunks import largest_divisor
from lwm_trainer.ring.kernels.choose import choose_backend

LOGIT_BYTES = 2**26
"""Bytes of the float32 logits that exist at once where only the scores of given tokens are wanted."""

Caches = list[KeysAndValues]
"""The keys and values of all layers."""


class Tokens(NamedTuple):
    """New tokens of every row. Arrays are [B, T]."""

    token_BT: Array
    """int32, in the text or the vision vocabulary."""
    vision_BT: Array | None
    """bool, true for tokens of the vision vocabulary; None for a model without one."""
    place_BT: Array
    """int32, the token's place in its row, or `cached_attention.ABSENT`."""


class TargetScores(NamedTuple):
    """Scores of given tokens, each among those of its own vocabulary. Arrays are [B, C]."""

    log_probability_BC: Array
    """float32, in nats."""
    most_probable_BC: Array
    """bool, whether no other token is more probable."""


class Logits(NamedTuple):
    """float32 scores of the next token in each vocabulary, [B, V] or [B, W, V]."""

    text: Array
    vision: Array | None
    """None for a model without a vision vocabulary."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The functions of one model on one mesh, compiled on first use. Caches are donated: the old ones cannot be used again."""

    mesh: jax.sharding.Mesh
    cache_sharding: NamedSharding
    chunk: int
    """Tokens of a row that a prefill takes at once: a multiple of the ranks."""
    new_caches: Callable[[int, int], Caches]
    """(rows, slots of a row over all ranks) -> empty caches."""
    prefill: Callable[[llama.Params, Caches, Tokens, int], tuple[Array, Caches]]
    """Adds a chunk to some rows, the last argument being the first of them: hidden states [rows, C, D] of tokens in the order of
    `stripe_order`, and the caches."""
    copy_row: Callable[[Caches, int, int], Caches]
    """Lets the row of the second number hold what the row of the first one does."""
    decode: Callable[[llama.Params, Caches, Tokens], tuple[Logits, Caches]]
    """Adds W tokens to each row: scores after each of them [B, W, V], and the caches."""
    logits: Callable[[llama.Params, Array], Logits]
    """Scores of hidden states [..., D]."""
    target_scores: Callable[[llama.Params, Array, NDArray[np.int32], NDArray[np.bool_]], TargetScores]
    """(hidden states [B, C, D], the token after each of them [B, C], whether it is of the vision vocabulary [B, C]) -> its scores.
    Logits of few tokens exist at once."""


def ranks(device_mesh: jax.sharding.Mesh) -> int:
    """Devices over which the tokens of a row are divided."""
    axes = mesh.RING_AXES
    return int(device_mesh.shape[axes.ring] * device_mesh.shape[axes.ulysses])


def make_programs(
    model: config.Model,
    rope_theta: float,
    device_mesh: jax.sharding.Mesh,
    chunk: int,
    precision: config.Precision = config.Precision(),  # noqa: B008 - frozen
    cache_dtype: str | None = None,
) -> Programs:
    """Build the functions; nothing is computed yet.

    Args:
        chunk: tokens of a prefill's chunk.
        cache_dtype: of keys and values in the cache; by default `precision.compute`.

    Raises ValueError when the ranks do not divide `chunk`.
    """
    if chunk % ranks(device_mesh):
        raise ValueError(f"chunk: {chunk} tokens do not divide into mesh.sp = {ranks(device_mesh)} ranks: use a multiple")
    axes = mesh.RING_AXES
    cache_sharding = NamedSharding(device_mesh, cache_spec(axes))
    stream, table = NamedSharding(device_mesh, mesh.STREAM), NamedSharding(device_mesh, mesh.TABLE)
    by_rows = NamedSharding(device_mesh, PartitionSpec(axes.rows))
    everywhere = NamedSharding(device_mesh, PartitionSpec())
    backend = choose_backend(device_mesh.devices.flat[0])
    dtype = jnp.dtype(cache_dtype or precision.compute)
    copies = config.key_head_copies(model, device_mesh.shape[axes.heads])

    def new_caches(rows: int, slots: int) -> Caches:
        shape = (rows, model.kv_heads * copies, slots, model.head_dim)
        return [KeysAndValues(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(model.layers)]

    def hidden(
        params: llama.Params, caches: Caches, tokens: Tokens, attend: CachedAttention, stream: NamedSharding, table: NamedSharding | None
    ) -> tuple[Array, Caches]:
        with jax.default_matmul_precision(precision.matmul_precision):
            return llama.cached_hidden_states(
                model,
                params,
                tokens.token_BT,
                jnp.maximum(tokens.place_BT, 0),
                rope_theta,
                attend,
                caches,
                place=lambda x: jax.lax.with_sharding_constraint(x, stream),
                vision_BT=tokens.vision_BT,
                place_table=lambda x: x if table is None else jax.lax.with_sharding_constraint(x, table),
                precision=precision,
                key_head_copies=copies,
            )

    def prefill(params: llama.Params, caches: Caches, tokens: Tokens, first_row: Array) -> tuple[Array, Caches]:
        count = len(tokens.token_BT)
        attend = prefill_attention(device_mesh, axes, tokens.place_BT, backend)
        if count == len(caches[0].k_BKSC):
            return hidden(params, caches, tokens, attend, stream, table)
        some = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, first_row, count), caches)
        x_BCD, some = hidden(params, some, tokens, attend, stream, table)
        return x_BCD, jax.tree.map(lambda x, part: jax.lax.dynamic_update_slice_in_dim(x, part, first_row, axis=0), caches, some)

    def copy_row(caches: Caches, source: Array, target: Array) -> Caches:
        def copied(x: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(x, jax.lax.dynamic_slice_in_dim(x, source, 1), target, axis=0)

        return jax.tree.map(copied, caches)  # type: ignore[no-any-return]

    def decode(params: llama.Params, caches: Caches, tokens: Tokens) -> tuple[Logits, Caches]:
        # For few tokens it is cheaper to look up parts of their embeddings than to gather the table.
        x_BWD, caches = hidden(params, caches, tokens, decode_attention(device_mesh, axes, tokens.place_BT), by_rows, None)
        return logits(params, x_BWD), caches

    def logits(params: llama.Params, x_D: Array) -> Logits:
        heads = [llama.head(model, params)] + ([llama.vision_head(params)] if model.vision is not None else [])
        with jax.default_matmul_precision(precision.matmul_precision):
            scores = [jnp.matmul(x_D, head.astype(x_D.dtype), preferred_element_type=jnp.float32) for head in heads]
        return Logits(scores[0], scores[1] if len(scores) > 1 else None)

    def target_scores(params: llama.Params, x_BCD: Array, target_BC: Array, vision_BC: Array) -> TargetScores:
        count, tokens = target_BC.shape
        size = largest_divisor(tokens, max(1, LOGIT_BYTES // (4 * count * model.vocab_size)))
        parts = [jnp.moveaxis(x.reshape(count, tokens // size, size, *x.shape[2:]), 1, 0) for x in (x_BCD, target_BC, vision_BC)]

        def some(part: list[Array]) -> TargetScores:
            x_BND, target_BN, vision_BN = part
            scores = logits(params, x_BND)
            text = _scores_of(scores.text, target_BN)
            if scores.vision is None:
                return text
            return jax.tree.map(partial(jnp.where, vision_BN), _scores_of(scores.vision, target_BN), text)  # type: ignore[no-any-return]

        return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(count, tokens), jax.lax.map(some, parts))  # type: ignore[no-any-return]

    return Programs(
        mesh=device_mesh,
        cache_sharding=cache_sharding,
        chunk=chunk,
        new_caches=jax.jit(new_caches, static_argnums=(0, 1), out_shardings=cache_sharding),
        prefill=jax.jit(prefill, donate_argnums=1, out_shardings=(stream, cache_sharding)),
        copy_row=jax.jit(copy_row, donate_argnums=0, out_shardings=cache_sharding),
        decode=jax.jit(decode, donate_argnums=1, out_shardings=(by_rows, cache_sharding)),
        logits=jax.jit(logits, out_shardings=by_rows),
        target_scores=jax.jit(target_scores, out_shardings=everywhere),  # every host reads them
    )


def _scores_of(logits_BNV: Array, target_BN: Array) -> TargetScores:
    """Those of the targets; a target of the other vocabulary has those of the nearest number, which nobody reads."""
    target_BN1 = jnp.clip(target_BN, 0, logits_BNV.shape[-1] - 1)[..., None]
    score_BN = jnp.take_along_axis(logits_BNV, target_BN1, axis=-1)[..., 0]
    return TargetScores(score_BN - jax.nn.logsumexp(logits_BNV, axis=-1), score_BN >= logits_BNV.max(-1))
