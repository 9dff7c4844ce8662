"""The whole model as pure functions over a nested dict of arrays.

Modules are built once for their structure, and merged with parameters inside the step. Layers are stacked along a leading axis and run by
`lax.scan`, with the rematerialization of the run.

Letters: B rows, T tokens, D width, V vocabulary.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.ad_checkpoint import checkpoint_name

from lwm_trainer import config
from lwm_trainer.model.modules import AXES, Attend, Block, EmbeddingAndHead, TokenWise, whole_row
from lwm_trainer.model.remat import STREAM, rematerialized
from lwm_trainer.model.rope import angles

Params = dict[str, Any]
"""{"ends": ..., "layers": ...}: nested dicts of float32 arrays. Each array under "layers" has a leading axis of layers."""


VISION_TABLES = ("vision_embedding", "vision_head")
"""The parameters under "ends" that only a model with a vision vocabulary has."""


def init(model: config.Model, key: Array) -> Params:
    """Draw parameters from `key`. Use it within jit with output shardings, so that no device ever holds all of them."""
    ends_key, layers_key = jax.random.split(key)

    def one_layer(key: Array) -> Params:
        return _pure(Block(model, nnx.Rngs(params=key)))

    return {
        "ends": _pure(EmbeddingAndHead(model, nnx.Rngs(params=ends_key))),
        "layers": jax.vmap(one_layer)(jax.random.split(layers_key, model.layers)),
    }


def drawing_options(device: jax.Device) -> dict[str, int]:
    """Compiler options of a program that draws parameters; it takes the same ones wherever the same numbers must be drawn.

    On CPU, LLVM takes longer to optimise random numbers than to draw those of a small model: 9 s of CPU instead of 3.
    """
    return {"xla_backend_optimization_level": 0} if device.platform == "cpu" else {}


def vision_tables(model: config.Model, key: Array) -> Params:
    """The VISION_TABLES that `init` draws from `key`. Use it within jit with `drawing_options`, so that nothing else is computed."""
    ends = init(model, key)["ends"]
    return {name: ends[name] for name in VISION_TABLES}


def abstract(model: config.Model) -> Params:
    """The tree of `init` with the shape and dtype of each array; nothing is computed."""
    return jax.eval_shape(partial(init, model), jax.random.key(0))  # type: ignore[no-any-return]


def logical_axes(model: config.Model) -> Params:
    """The tree of `init` with the logical axes of each array, a tuple of names."""
    ends, block = _abstract(EmbeddingAndHead, model), _abstract(Block, model)
    return {"ends": _axes(ends, ()), "layers": _axes(block, ("layers",))}


def hidden_states(
    model: config.Model,
    params: Params,
    token_BT: Array,
    position_BT: Array,
    rope_theta: float,
    attend: Attend,
    place: Callable[[Array], Array],
    remat: config.Remat = "attention",
    attention_names: tuple[str, ...] = (),
    token_wise: TokenWise = whole_row,
    vision_BT: Array | None = None,
    place_table: Callable[[Array], Array] = lambda table_VD: table_VD,
    precision: config.Precision = config.Precision(),  # noqa: B008 - frozen
    key_head_copies: int = 1,
) -> Array:
    """Run the model up to its last norm: hidden states [B, T, D] of type `precision.compute`.

    Args:
        token_BT, position_BT: int32; positions count from 0 within a document.
        attend: attention of one layer, see `lwm_trainer.ring.attention`.
        place: applied to the hidden states between layers, for their sharding constraint.
        remat: what a layer saves for its backward pass.
        attention_names: names of the values that `attend` needs, so that it is not run again in the backward pass.
        token_wise: applies a layer's matrix products, which are functions of single tokens, to all tokens.
        vision_BT: bool, true for tokens of the vision vocabulary, whose ids overlap with those of the text vocabulary. None: all are text.
        place_table: applied to an embedding table before tokens are looked up in it, for its sharding constraint.
        precision: types of activations and of the parameters that layers use, and arithmetic of rotary angles.
        key_head_copies: how often each key head is computed, side by side: `attend` gets as many times the model's key heads.
    """
    ends = _merge(EmbeddingAndHead, model, params["ends"])
    x_BTD = place(ends.embed(token_BT, vision_BT, place_table).astype(jnp.dtype(precision.compute)))

    rotary = angles(model.head_dim, rope_theta, model.rope_scaling, precision.rotary_angles)

    def layer(x_BTD: Array, parameters: Params) -> tuple[Array, None]:
        block = _merge(Block, model, parameters)
        return place(block(checkpoint_name(x_BTD, STREAM), position_BT, rotary, attend, token_wise, key_head_copies)), None

    x_BTD, _ = jax.lax.scan(rematerialized(layer, remat, attention_names), x_BTD, params["layers"])
    return ends.norm(x_BTD)  # type: ignore[no-any-return]


C = TypeVar("C")
"""What attention keeps of a layer: its cache of keys and values."""


def cached_hidden_states(
    model: config.Model,
    params: Params,
    token_BT: Array,
    position_BT: Array,
    rope_theta: float,
    attend: Callable[[Array, Array, Array, C], tuple[Array, C]],
    caches: Sequence[C],
    place: Callable[[Array], Array],
    vision_BT: Array | None = None,
    place_table: Callable[[Array], Array] = lambda table_VD: table_VD,
    precision: config.Precision = config.Precision(),  # noqa: B008 - frozen
    key_head_copies: int = 1,
) -> tuple[Array, list[C]]:
    """Run the model on new tokens of rows whose earlier keys and values are in `caches`; forward only.

    Layers are written out one after the other: in a scan, each layer's parameters and cache would be copied at every token.

    Args:
        params: those of `init`, with a list of layers under "layers" instead of stacked arrays, see `unstacked_layer`.
        attend: attention of one layer, (q, k, v, the layer's cache) -> (output, its new cache), see `lwm_trainer.ring.cached_attention`.
        caches: one for each layer.

    The other arguments are those of `hidden_states`. Returns the hidden states [B, T, D] of type `precision.compute`, and the new
    caches.
    """
    ends = _merge(EmbeddingAndHead, model, params["ends"])
    x_BTD = place(ends.embed(token_BT, vision_BT, place_table).astype(jnp.dtype(precision.compute)))
    rotary = angles(model.head_dim, rope_theta, model.rope_scaling, precision.rotary_angles)
    new_caches: list[C] = []

    def attend_and_keep(cache: C, q: Array, k: Array, v: Array) -> Array:
        out, new_cache = attend(q, k, v, cache)
        new_caches.append(new_cache)
        return out

    for parameters, cache in zip(params["layers"], caches, strict=True):
        block = _merge(Block, model, parameters)
        x_BTD = place(block(x_BTD, position_BT, rotary, partial(attend_and_keep, cache), whole_row, key_head_copies))
    return ends.norm(x_BTD), new_caches


def unstacked_layer(layers: Params, number: int) -> Params:
    """The parameters of one layer, without the leading axis."""
    return jax.tree.map(lambda stacked: stacked[number], layers)  # type: ignore[no-any-return]


def head(model: config.Model, params: Params) -> Array:
    """The matrix from hidden states to logits of the text vocabulary, [D, V], float32."""
    ends = params["ends"]
    matrix: Array = ends["embedding"].T if model.tied_embeddings else ends["head"]
    return matrix


def vision_head(params: Params) -> Array:
    """The matrix from hidden states to logits of the vision vocabulary, [D, V], float32, for a model that has one."""
    matrix: Array = params["ends"]["vision_head"]
    return matrix


def _pure(module: nnx.Module) -> Params:
    return nnx.to_pure_dict(nnx.state(module, nnx.Param))


def _abstract(kind: Callable[[config.Model, nnx.Rngs], nnx.Module], model: config.Model) -> Any:
    return nnx.eval_shape(lambda: kind(model, nnx.Rngs(params=jax.random.key(0))))


def _merge(kind: Callable[[config.Model, nnx.Rngs], nnx.Module], model: config.Model, parameters: Params) -> Any:
    """A module of this kind with these parameters; only for use inside a traced function."""
    definition, state = nnx.split(_abstract(kind, model))
    nnx.replace_by_pure_dict(state, parameters)
    return nnx.merge(definition, state)


def _axes(module: nnx.Module, leading: tuple[str, ...]) -> Params:
    def axes_of(parameter: Any) -> tuple[str, ...]:
        return (*leading, *parameter.get_metadata(AXES))

    state = nnx.state(module, nnx.Param)
    return nnx.to_pure_dict(jax.tree.map(lambda p: p.replace(axes_of(p)), state, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable)))
