"""One step of generation on the devices: feed to each row its last token and guesses of the next ones, and draw what follows.

Of the draws of a row, those up to the first one that is not what was guessed are its next tokens: one at least. A step ends where a vision
span begins or ends, so that a row has one kind of filters, guidance and guesses in it.

A row under classifier-free guidance has a second row, its unconditional one, which sees `<s><vision>` and the frames of this span only.
Both are in one batch, so that parameters are read once. The second row follows the first: it takes the codes that the first one draws, and
is set back to its beginning where the first one begins a span.

Letters: B rows, G guesses, W = G + 1 tokens of a step, U tokens of both vocabularies together, N most probable tokens.
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
from lwm_trainer.sampling import drafts as guessing
from lwm_trainer.sampling import filters
from lwm_trainer.sampling.drafts import NONE, Drafts
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
    """What a step drew, [B, W] each."""

    token: Array
    vision: Array
    counts: Array
    """Whether the row drew the token at all, and what was guessed before it is right."""
    ended: Array
    """Whether this token is the row's last."""
    closing: Array
    """Whether the token is a piece of the tag that closes a vision span."""
    log_probability: Array
    """float32, of the token in the model's own distribution over what the grammar allows: guided, before temperature and filters."""
    top: tuple[Array, Array] | None
    """The N most probable tokens [B, W, N], as tokens of both vocabularies, and their log-probabilities; None when N is 0."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Four compiled functions; the last argument of those that draw is N. Caches, states and drafts are donated."""

    remember: Callable[[Drafts, int, Array], Drafts]
    """See `drafts.remember`."""
    join: Callable[[Logits, RowState, Drafts, RowState, Array, RowSettings, int], tuple[RowState, Drafts, Drawn]]
    """(scores after the prompts, the state, drafts, the state with which some rows begin, which rows those are, …): the others stay as they
    are."""
    leave: Callable[[RowState, Array], RowState]
    """End the answers of these rows."""
    next: Callable[[llama.Params, Caches, RowState, Drafts, RowSettings, int], tuple[Caches, RowState, Drafts, Drawn]]
    """Feed the tokens that were drawn last and the guesses, and draw from the scores after them."""


def make_steps(programs: Programs, grammar: Grammar) -> Steps:
    """Build the functions; nothing is computed yet."""
    everywhere = NamedSharding(programs.mesh, PartitionSpec())

    def join(
        scores: Logits, state: RowState, drafts: Drafts, start: RowState, joins_B: Array, settings: RowSettings, top: int
    ) -> tuple[RowState, Drafts, Drawn]:
        scores = jax.tree.map(lambda x: x[:, None], scores)
        no_guess = drafts._replace(guess_BG=drafts.guess_BG[:, :0])
        begun = _draw(grammar, scores, leave(start, ~joins_B), no_guess, settings, top)
        drafts = guessing.next_drafts(grammar, drafts, *begun.for_drafts, settings.limits)
        joined = jax.tree.map(lambda new, old: jnp.where(joins_B, new, old), begun.state, state)
        return joined, drafts, begun.drawn

    def leave(state: RowState, leaves_B: Array) -> RowState:
        ended = state.grammar._replace(state=jnp.where(leaves_B, grammar.end, state.grammar.state))
        return state._replace(live=state.live & ~leaves_B, grammar=ended)

    def following(
        params: llama.Params, caches: Caches, state: RowState, drafts: Drafts, settings: RowSettings, top: int
    ) -> tuple[Caches, RowState, Drafts, Drawn]:
        drafts = drafts._replace(guess_BG=drafts.guess_BG[settings.follows])
        joint_BW = jnp.concatenate([grammar.joint(state.token, state.vision)[:, None], drafts.guess_BG], axis=1)
        present_BW = state.live[:, None] & _all_before(joint_BW != NONE)
        place_BW = jnp.where(present_BW, state.place[:, None] + jnp.arange(joint_BW.shape[1]), ABSENT)
        vision_BW = joint_BW >= grammar.text_size
        token_BW = jnp.maximum(jnp.where(vision_BW, joint_BW - grammar.text_size, joint_BW), 0)
        scores, caches = programs.decode(params, caches, Tokens(token_BW, vision_BW if grammar.opening else None, place_BW))
        state = state._replace(place=state.place + state.live)
        end = _draw(grammar, scores, state, drafts, settings, top)
        return caches, end.state, guessing.next_drafts(grammar, drafts, *end.for_drafts, settings.limits), end.drawn

    return Steps(
        remember=jax.jit(guessing.remember, donate_argnums=0, out_shardings=everywhere),
        join=jax.jit(join, static_argnums=6, donate_argnums=(1, 2), out_shardings=everywhere),
        leave=jax.jit(leave, donate_argnums=0, out_shardings=everywhere),
        next=jax.jit(
            following,
            static_argnums=5,
            donate_argnums=(1, 2, 3),
            out_shardings=(programs.cache_sharding, everywhere, everywhere, everywhere),
        ),
    )


class _End(NamedTuple):
    """Where a step ends."""

    state: RowState
    drawn: Drawn
    for_drafts: tuple[Array, Array, Array, Array, GrammarState]
    """The arguments of `next_drafts`."""


def _draw(grammar: Grammar, scores: Logits, state: RowState, drafts: Drafts, settings: RowSettings, top: int) -> _End:
    """Draw from the scores [B, W, …] after the last token and each guess; `state.place` is that of the first draw."""
    width = drafts.guess_BG.shape[1] + 1
    follower_B = settings.follows != jnp.arange(len(settings.follows))
    at = _states_along(grammar, state.grammar, drafts.guess_BG, settings)  # [B, W]
    place_BW = state.place[:, None] + jnp.arange(width)
    score_BWU = scores.text if scores.vision is None else jnp.concatenate([scores.text, _guided(scores.vision, settings)], axis=-1)
    # From here to the draws, each of the W places of a row is a row of its own, with the same settings.
    of_places = jax.tree.map(lambda x: jnp.repeat(x, width, axis=0), settings)
    at_F: GrammarState = jax.tree.map(jnp.ravel, at)
    score_FU = score_BWU.reshape(-1, score_BWU.shape[-1])
    score_FU = jnp.where(grammar.allowed(at_F, of_places.limits), score_FU, -jnp.inf)
    log_FU = jax.nn.log_softmax(score_FU, axis=-1)
    is_vision_F = grammar.is_vision(at_F.state)
    by_modality = jax.tree.map(lambda text, vision: jnp.where(is_vision_F, vision, text), of_places.text, of_places.vision)
    joint_F = filters.draw(score_FU, by_modality, of_places.seed, place_BW.ravel())
    after_F = _after(grammar, at_F, joint_F, of_places)
    joint_BW, is_vision_BW, after = jax.tree.map(lambda x: x.reshape(-1, width), (joint_F, is_vision_F, after_F))

    drew_B = (state.grammar.state != grammar.end) & ~follower_B
    goes_on_BW = (after.state != grammar.end) & (grammar.is_vision(after.state) == is_vision_BW)
    right_BG = (joint_BW[:, :-1] == drafts.guess_BG) & goes_on_BW[:, :-1]
    accepted_B = jnp.where(drew_B, 1 + jnp.cumprod(right_BG, axis=1).sum(1), 0).astype(jnp.int32)
    counts_BW = jnp.arange(width) < accepted_B[:, None]
    token_BW = jnp.where(is_vision_BW, joint_BW - grammar.text_size, joint_BW)
    log_BW = jnp.take_along_axis(log_FU, joint_F[:, None], axis=-1).reshape(-1, width)
    drawn = Drawn(
        token=token_BW,
        vision=is_vision_BW,
        counts=counts_BW,
        ended=counts_BW & (after.state == grammar.end),
        closing=at.state >= grammar.first_closing,
        log_probability=log_BW,
        top=jax.tree.map(lambda x: x.reshape(-1, width, top), _most_probable(log_FU, top)) if top else None,
    )

    def last(x_BW: Array) -> Array:
        return jnp.take_along_axis(x_BW, jnp.maximum(accepted_B - 1, 0)[:, None], axis=1)[:, 0]

    after_last = GrammarState(*(jnp.where(drew_B, last(new), old) for new, old in zip(after, state.grammar, strict=True)))
    # An unconditional row is fed as many tokens as the row that it follows.
    fed_B = accepted_B[settings.follows]
    live_B = drew_B & (after_last.state != grammar.end)
    place_B = state.place + jnp.where(drew_B | (follower_B & state.live), jnp.maximum(fed_B - 1, 0), 0)
    ended = RowState(last(token_BW), last(is_vision_BW), place_B, live_B, after_last)
    ended = _follow(grammar, ended, settings, follower_B) if grammar.opening else ended
    known_BW = _all_before(jnp.pad(drafts.guess_BG != NONE, ((0, 0), (1, 0)), constant_values=True))
    return _End(ended, drawn, (joint_BW, known_BW, accepted_B, place_BW, after_last))


def _states_along(grammar: Grammar, at: GrammarState, guess_BG: Array, settings: RowSettings) -> GrammarState:
    """The states [B, W] after no guess, one, and so on."""
    states = [at]
    for guess_B in guess_BG.T:
        states.append(_after(grammar, states[-1], guess_B, settings))
    return GrammarState(*(jnp.stack(each, axis=1) for each in zip(*states, strict=True)))


def _after(grammar: Grammar, at: GrammarState, joint_B: Array, settings: RowSettings) -> GrammarState:
    """The state after one more token of each row; a stop id ends it, and an end stays one."""
    after = grammar.advance(at, joint_B, settings.limits)
    stops_B = grammar.is_text(at.state) & jnp.any(joint_B[:, None] == settings.stop_ids, axis=-1)
    return after._replace(state=jnp.where(stops_B | (at.state == grammar.end), grammar.end, after.state))


def _all_before(true_BW: Array) -> Array:
    """Whether all are true up to and with each."""
    return jnp.cumprod(true_BW, axis=1).astype(jnp.bool_)


def _guided(score_BWV: Array, settings: RowSettings) -> Array:
    """u + scale * (c - u), where u are the scores of the unconditional row; a row without one keeps its own exactly."""
    unconditional_BWV = score_BWV[settings.unconditional]
    guided_BWV = unconditional_BWV + settings.guidance[:, None, None] * (score_BWV - unconditional_BWV)
    has_guide_B = settings.unconditional != jnp.arange(len(score_BWV))
    return jnp.where(has_guide_B[:, None, None], guided_BWV, score_BWV)


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
