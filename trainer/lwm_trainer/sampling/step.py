"""One step of generation on the devices: feed a token to each row, and draw the next one.

A row under classifier-free guidance has a second row, its unconditional one, which sees `<s><vision>` and the frames of this span only.
Both are in one batch, so that parameters are read once. The second row follows the first: it takes the codes that the first one draws, and
is set back to its beginning where the first one begins a span.

Letters: B rows, U tokens of both vocabularies together, N most probable tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh
from lwm_trainer.ring.cached_attention import ABSENT
from lwm_trainer.sampling import filters
from lwm_trainer.sampling.filters import FilterArrays
from lwm_trainer.sampling.grammar import Grammar, GrammarState, Limits
from lwm_trainer.sampling.programs import Caches, Logits, Programs, Tokens


class RowSettings(NamedTuple):
    """The settings of every row, [B] each."""

    text: FilterArrays
    vision: FilterArrays
    seed: Array
    stop_ids: Array
    """int32[B, stop ids], -1 where there are fewer."""
    limits: Limits
    guidance: Array
    unconditional: Array
    """int32, the row that guides this one; its own number for none."""
    follows: Array
    """int32, the row that this one is the unconditional row of; its own number for none."""
    base: Array
    """int32, tokens of `<s><vision>` in an unconditional row."""


class RowState(NamedTuple):
    """Where each row is, [B] each."""

    token: Array
    """int32, drawn and not yet fed, in its own vocabulary."""
    vision: Array
    place: Array
    """int32, where the token will lie: the length of the row in the cache."""
    live: Array
    """Whether the token will be fed."""
    grammar: GrammarState


class Drawn(NamedTuple):
    """What a step drew, [B] each."""

    token: Array
    vision: Array
    counts: Array
    """Whether the row drew at all."""
    ended: Array
    """Whether this token is the row's last."""
    closing: Array
    """Whether the token is a piece of the tag that closes a vision span."""
    log_probability: Array
    """float32, of the token in the model's own distribution over what the grammar allows: guided, before temperature and filters."""
    top: tuple[Array, Array] | None
    """The N most probable tokens [B, N], as tokens of both vocabularies, and their log-probabilities; None when N is 0."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Three compiled functions; the last argument of those that draw is N. Caches and states are donated."""

    join: Callable[[Logits, RowState, RowState, Array, RowSettings, int], tuple[RowState, Drawn]]
    """(scores after the prompts, the state, the state with which some rows begin, which rows those are, …): the others stay as they are."""
    leave: Callable[[RowState, Array], RowState]
    """End the answers of these rows."""
    next: Callable[[llama.Params, Caches, RowState, RowSettings, int], tuple[Caches, RowState, Drawn]]
    """Feed the tokens that were drawn last, and draw from the scores after them."""


def make_steps(programs: Programs, grammar: Grammar) -> Steps:
    """Build the functions; nothing is computed yet."""
    everywhere = NamedSharding(programs.mesh, PartitionSpec())

    def join(scores: Logits, state: RowState, start: RowState, joins_B: Array, settings: RowSettings, top: int) -> tuple[RowState, Drawn]:
        joined, drawn = _draw(grammar, scores, leave(start, ~joins_B), settings, top)
        return jax.tree.map(lambda new, old: jnp.where(joins_B, new, old), joined, state), drawn

    def leave(state: RowState, leaves_B: Array) -> RowState:
        ended = state.grammar._replace(state=jnp.where(leaves_B, grammar.end, state.grammar.state))
        return state._replace(live=state.live & ~leaves_B, grammar=ended)

    def following(params: llama.Params, caches: Caches, state: RowState, settings: RowSettings, top: int) -> tuple[Caches, RowState, Drawn]:
        place_B = jnp.where(state.live, state.place, ABSENT)
        vision_B1 = state.vision[:, None] if grammar.opening else None
        scores, caches = programs.decode(params, caches, Tokens(state.token[:, None], vision_B1, place_B[:, None]))
        scores = Logits(*(None if each is None else each[:, 0] for each in scores))  # type: ignore[arg-type]
        state = state._replace(place=state.place + state.live)
        return caches, *_draw(grammar, scores, state, settings, top)

    return Steps(
        join=jax.jit(join, static_argnums=5, donate_argnums=1, out_shardings=everywhere),
        leave=jax.jit(leave, donate_argnums=0, out_shardings=everywhere),
        next=jax.jit(following, static_argnums=4, donate_argnums=(1, 2), out_shardings=(programs.cache_sharding, everywhere, everywhere)),
    )


def _draw(grammar: Grammar, scores: Logits, state: RowState, settings: RowSettings, top: int) -> tuple[RowState, Drawn]:
    at = state.grammar
    follower_B = settings.follows != jnp.arange(len(settings.follows))
    is_vision_B = grammar.is_vision(at.state)
    score_BU = scores.text if scores.vision is None else jnp.concatenate([scores.text, _guided(scores.vision, settings)], axis=-1)
    score_BU = jnp.where(grammar.allowed(at, settings.limits), score_BU, -jnp.inf)
    log_BU = jax.nn.log_softmax(score_BU, axis=-1)
    by_modality = jax.tree.map(lambda text, vision: jnp.where(is_vision_B, vision, text), settings.text, settings.vision)
    joint_B = filters.draw(score_BU, by_modality, settings.seed, state.place)
    after = grammar.advance(at, joint_B, settings.limits)
    stops_B = grammar.is_text(at.state) & jnp.any(joint_B[:, None] == settings.stop_ids, axis=-1)
    after = after._replace(state=jnp.where(stops_B, grammar.end, after.state))
    drew_B = (at.state != grammar.end) & ~follower_B
    after = GrammarState(*(jnp.where(drew_B, new, old) for new, old in zip(after, at, strict=True)))
    ended_B = drew_B & (after.state == grammar.end)
    token_B = jnp.where(is_vision_B, joint_B - grammar.text_size, joint_B)
    drawn = Drawn(
        token=token_B,
        vision=is_vision_B,
        counts=drew_B,
        ended=ended_B,
        closing=at.state >= grammar.first_closing,
        log_probability=jnp.take_along_axis(log_BU, joint_B[:, None], axis=-1)[:, 0],
        top=_most_probable(log_BU, top) if top else None,
    )
    new_state = RowState(token_B, is_vision_B, state.place, drew_B & ~ended_B, after)
    return (_follow(grammar, new_state, settings, follower_B) if grammar.opening else new_state), drawn


def _guided(score_BV: Array, settings: RowSettings) -> Array:
    """u + scale * (c - u), where u are the scores of the unconditional row; a row without one keeps its own exactly."""
    unconditional_BV = score_BV[settings.unconditional]
    guided_BV = unconditional_BV + settings.guidance[:, None] * (score_BV - unconditional_BV)
    has_guide_B = settings.unconditional != jnp.arange(len(score_BV))
    return jnp.where(has_guide_B[:, None], guided_BV, score_BV)


def _follow(grammar: Grammar, state: RowState, settings: RowSettings, follower_B: Array) -> RowState:
    """Unconditional rows get the codes of the rows that they follow; where those begin a span, the last piece of `<vision>` once more."""
    leader = jax.tree.map(lambda x: x[settings.follows], state)
    begins_B = follower_B & ~leader.vision & (leader.grammar.state == grammar.first_code)
    return RowState(
        token=jnp.where(begins_B, grammar.opening[-1], jnp.where(follower_B, leader.token, state.token)),
        vision=jnp.where(follower_B, leader.vision, state.vision),
        place=jnp.where(begins_B, settings.base - 1, state.place),
        live=jnp.where(follower_B, leader.live & (leader.vision | begins_B), state.live),
        grammar=state.grammar,
    )


def _most_probable(log_BU: Array, count: int) -> tuple[Array, Array]:
    values, tokens = jax.lax.top_k(log_BU, count)
    return tokens, values


def as_arrays(tree: Any, device_mesh: jax.sharding.Mesh) -> Any:
    """The tree's NumPy arrays on every device."""
    everywhere = NamedSharding(device_mesh, PartitionSpec())
    return jax.tree.map(lambda array: mesh.from_every_host(array, everywhere), tree)
