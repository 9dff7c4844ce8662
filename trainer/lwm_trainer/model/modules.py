"""The parts of the Llama model as Flax NNX modules.

Each parameter names its logical axes; `lwm_trainer.parallel.mesh` maps these to mesh axes.

Letters: B rows, T tokens, D width, V vocabulary, H query heads, K key heads, C head width, F MLP width.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.ad_checkpoint import checkpoint_name

from lwm_trainer import config
from lwm_trainer.model.remat import GATE, JOINED, KEY, QUERY, UP, VALUE
from lwm_trainer.model.rope import Angles, rotate

Attend = Callable[[Array, Array, Array], Array]
"""(q [B, T, H, C], k [B, T, K, C], v [B, T, K, C]) -> [B, T, H, C]."""


Parameters = dict[str, nnx.Param[Array]]
"""Some of a layer's parameters by name."""


class TokenWise(Protocol):
    """Applies a function of single tokens to all tokens. It decides where the parameters of that function come from."""

    def __call__(self, function: Callable[..., Any], parameters: Parameters, x_BTD: Array, *, in_tiles: bool = False) -> Any:
        """The value of `function(parameters, x)`, one array [B, T, ...] or a tuple of them.

        Args:
            function: of the parameters' values by name, in the dtype of x, and of x.
            in_tiles: whether the function may be applied to some of the tokens at a time, so that its inner values exist for those only.
        """


def whole_row(
    function: Callable[..., Any],
    parameters: Parameters,
    x_BTD: Array,
    *,
    in_tiles: bool = False,  # noqa: ARG001 - of the protocol
) -> Any:
    """Apply the function to all tokens at once, with the parameters as they are."""
    return function({name: parameter[...].astype(x_BTD.dtype) for name, parameter in parameters.items()}, x_BTD)


AXES = "logical_axes"
"""Metadata key of a parameter's logical axes. Flax's own key would require a mesh while the model is built."""


def _parameter(key: Array, shape: tuple[int, ...], axes: tuple[str, ...], deviation: float) -> nnx.Param[Array]:
    value = deviation * jax.random.normal(key, shape, jnp.float32)
    return _with_axes(value, axes)


def _with_axes(value: Array, axes: tuple[str, ...]) -> nnx.Param[Array]:
    metadata: dict[str, Any] = {AXES: axes}
    return nnx.Param(value, **metadata)


class RMSNorm(nnx.Module):
    """Root-mean-square norm (Zhang and Sennrich 2019, arXiv 1910.07467), computed in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        self.scale = _with_axes(jnp.ones(width, jnp.float32), ("norm",))
        self.epsilon = epsilon

    def __call__(self, x_BTD: Array) -> Array:
        x = x_BTD.astype(jnp.float32)
        x = x * jax.lax.rsqrt(jnp.mean(jnp.square(x), axis=-1, keepdims=True) + self.epsilon)
        return (x * self.scale[...]).astype(x_BTD.dtype)


class Attention(nnx.Module):
    """Grouped-query attention (Ainslie et al. 2023, arXiv 2305.13245) with rotary positions; `attend` applies the mask."""

    def __init__(self, model: config.Model, rngs: nnx.Rngs) -> None:
        width, heads, key_heads, channels = model.width, model.heads, model.kv_heads, model.head_dim
        inner = width**-0.5
        self.query = _parameter(rngs.params(), (width, heads, channels), ("embed", "heads", "head_dim"), inner)
        self.key = _parameter(rngs.params(), (width, key_heads, channels), ("embed", "kv_heads", "head_dim"), inner)
        self.value = _parameter(rngs.params(), (width, key_heads, channels), ("embed", "kv_heads", "head_dim"), inner)
        outer = (2 * model.layers * heads * channels) ** -0.5
        self.output = _parameter(rngs.params(), (heads, channels, width), ("heads", "head_dim", "embed"), outer)

    def __call__(
        self, x_BTD: Array, position_BT: Array, rotary: Angles, attend: Attend, token_wise: TokenWise, key_head_copies: int
    ) -> Array:
        """`key_head_copies`: how often each key head is computed, side by side, so that as many devices can have one each."""
        matrices = {"query": self.query, "key": self.key, "value": self.value}
        q, k, v = token_wise(partial(_project, key_head_copies=key_head_copies), matrices, x_BTD)
        angle_BTC = rotary(position_BT)  # in each layer anew: those of a million tokens are 256 MiB
        q, k = rotate(q, angle_BTC), rotate(k, angle_BTC)
        out = attend(checkpoint_name(q, QUERY), checkpoint_name(k, KEY), checkpoint_name(v, VALUE))
        return checkpoint_name(token_wise(_join_heads, {"output": self.output}, out), JOINED)  # type: ignore[no-any-return]


def _project(matrices: dict[str, Array], x_BTD: Array, *, key_head_copies: int) -> tuple[Array, Array, Array]:
    """Queries [B, T, H, C], and keys and values of `key_head_copies` times K heads."""
    key, value = (_copied_heads(matrices[name], key_head_copies) for name in ("key", "value"))
    return (
        jnp.einsum("btd,dhc->bthc", x_BTD, matrices["query"]),
        jnp.einsum("btd,dkc->btkc", x_BTD, key),
        jnp.einsum("btd,dkc->btkc", x_BTD, value),
    )


def _copied_heads(matrix_DKC: Array, copies: int) -> Array:
    """Each head `copies` times, side by side. By way of float32, so that the gradients of the copies are summed in it."""
    if copies == 1:
        return matrix_DKC
    return jnp.repeat(matrix_DKC.astype(jnp.float32), copies, axis=1).astype(matrix_DKC.dtype)


def _join_heads(matrices: dict[str, Array], heads_BTHC: Array) -> Array:
    return jnp.einsum("bthc,hcd->btd", heads_BTHC, matrices["output"])


class MLP(nnx.Module):
    """Gated MLP with SiLU, SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, model: config.Model, rngs: nnx.Rngs) -> None:
        width, inner = model.width, model.mlp_width
        self.gate = _parameter(rngs.params(), (width, inner), ("embed", "mlp"), width**-0.5)
        self.up = _parameter(rngs.params(), (width, inner), ("embed", "mlp"), width**-0.5)
        self.down = _parameter(rngs.params(), (inner, width), ("mlp", "embed"), (2 * model.layers * inner) ** -0.5)

    def __call__(self, x_BTD: Array, token_wise: TokenWise) -> Array:
        matrices = {"gate": self.gate, "up": self.up, "down": self.down}
        return token_wise(_swiglu, matrices, x_BTD, in_tiles=True)  # type: ignore[no-any-return]


def _swiglu(matrices: dict[str, Array], x_BTD: Array) -> Array:
    gate, up, down = (matrices[name] for name in ("gate", "up", "down"))
    inner: Array = jax.nn.silu(checkpoint_name(x_BTD @ gate, GATE)) * checkpoint_name(x_BTD @ up, UP)
    return inner @ down


class Block(nnx.Module):
    """One layer: attention and MLP, each after a norm and added to the hidden states."""

    def __init__(self, model: config.Model, rngs: nnx.Rngs) -> None:
        self.attention_norm = RMSNorm(model.width, model.norm_epsilon)
        self.attention = Attention(model, rngs)
        self.mlp_norm = RMSNorm(model.width, model.norm_epsilon)
        self.mlp = MLP(model, rngs)

    def __call__(
        self, x_BTD: Array, position_BT: Array, rotary: Angles, attend: Attend, token_wise: TokenWise, key_head_copies: int
    ) -> Array:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), position_BT, rotary, attend, token_wise, key_head_copies)
        return x_BTD + self.mlp(self.mlp_norm(x_BTD), token_wise)


class EmbeddingAndHead(nnx.Module):
    """The parameters outside the layers: embedding, last norm, and output head (none when tied).

    A model with a vision vocabulary has a second embedding and head.
    """

    def __init__(self, model: config.Model, rngs: nnx.Rngs) -> None:
        self.embedding = _parameter(rngs.params(), (model.vocab_size, model.width), ("vocab", "embed"), 0.02)
        self.norm = RMSNorm(model.width, model.norm_epsilon)
        if not model.tied_embeddings:
            self.head = _parameter(rngs.params(), (model.width, model.vocab_size), ("embed", "vocab"), model.width**-0.5)
        if model.vision is not None:
            codes = model.vision.vocab_size
            self.vision_embedding = _parameter(rngs.params(), (codes, model.width), ("vocab", "embed"), 0.02)
            self.vision_head = _parameter(rngs.params(), (model.width, codes), ("embed", "vocab"), model.width**-0.5)

    def embed(self, token_BT: Array, vision_BT: Array | None, place: Callable[[Array], Array]) -> Array:
        """Look up embeddings, in the vision table where `vision_BT` is true and otherwise in the text table; float32 [B, T, D].

        `place` is applied to a table before the lookup.
        """
        text_VD = place(self.embedding[...])
        if vision_BT is None:
            return text_VD[token_BT]
        text_BTD = text_VD[jnp.where(vision_BT, 0, token_BT)]
        vision_BTD = place(self.vision_embedding[...])[jnp.where(vision_BT, token_BT, 0)]
        return jnp.where(vision_BT[..., None], vision_BTD, text_BTD)
