"""Guesses of the next tokens, which a step of decoding checks together: speculative decoding without a second model.

A guess never changes an answer. The token at a place is drawn from its scores with noise of the row's seed and that place; a guess is kept
where it is the token that is drawn there, and what follows the first wrong one is computed again. So more than one token comes of a step
where guesses are right, and the same ones always.

- Text, prompt lookup: what followed where the last tokens stood before (Saxena 2023, Prompt Lookup Decoding). It is right where an answer
  quotes its prompt or itself.
- Vision, speculative Jacobi decoding (Teng et al. 2024, arXiv 2410.01699): what was drawn after a wrong guess is the next guess for its
  place. The noise of a place is the same in all rounds, so that draws settle (coupling by Gumbel noise). A place without a draw is guessed
  by the code of the frame before at the same place, and in a first frame by the last code.

Tokens are numbers of both vocabularies together, as in `grammar`.

Letters: B rows, S places of a row, G guesses, W = G + 1 tokens of a step.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from lwm_trainer.sampling.grammar import Grammar, GrammarState, Limits

NONE = -1
"""Where there is no guess."""
LONGEST_MATCH = 4
"""Tokens that are compared: of two places that match, the one that matches more of them counts, then the later one."""
SHORTEST_MATCH = 2
"""Tokens that must match: after a single one, what followed it before is seldom right."""


class Drafts(NamedTuple):
    """What guesses are made from, and those for the next step."""

    history_BS: Array
    """int32, the tokens of each row by their places, as far as it is written; [B, 0] where nothing is guessed."""
    guess_BG: Array
    """int32, tokens that may follow the last one, or NONE."""


def no_drafts(rows: int, places: int, guesses: int) -> Drafts:
    """Rows without tokens."""
    return Drafts(jnp.zeros((rows, places if guesses else 0), jnp.int32), jnp.full((rows, guesses), NONE, jnp.int32))


def remember(drafts: Drafts, row: Array, token_S: Array) -> Drafts:
    """Let a row begin with these tokens."""
    return drafts._replace(history_BS=drafts.history_BS.at[row].set(token_S))


def next_drafts(
    grammar: Grammar,
    drafts: Drafts,
    drawn_BW: Array,
    known_BW: Array,
    accepted_B: Array,
    place_BW: Array,
    after: GrammarState,
    limits: Limits,
) -> Drafts:
    """The guesses after a step.

    Args:
        drawn_BW: int32, what was drawn; after the accepted tokens, what would follow the wrong guesses.
        known_BW: whether it was drawn at all.
        accepted_B: int32, how many of the drawn tokens are the row's, 0 for a row that draws nothing.
        place_BW: int32, their places.
        after: the state after the accepted tokens.
    """
    (rows, guesses), width = drafts.guess_BG.shape, drawn_BW.shape[1]
    if not guesses:
        return drafts
    places = drafts.history_BS.shape[1]
    row_B1, index_G = jnp.arange(rows)[:, None], jnp.arange(guesses)
    is_new_BW = jnp.arange(width) < accepted_B[:, None]
    history_BS = drafts.history_BS.at[row_B1, jnp.where(is_new_BW, place_BW, places)].set(drawn_BW, mode="drop")
    last_B = jnp.maximum(accepted_B - 1, 0)
    place_B = jnp.take_along_axis(place_BW, last_B[:, None], axis=1)[:, 0]
    guess_BG = _look_up(history_BS, place_B, guesses)
    if grammar.opening:
        at_BG = accepted_B[:, None] + index_G
        drawn_BG = jnp.take_along_axis(jnp.where(known_BW, drawn_BW, NONE), jnp.minimum(at_BG, width - 1), axis=1)
        again_BG = jnp.where(at_BG < width, drawn_BG, NONE)
        code_BG = _guess_codes(grammar, history_BS, place_B, guesses, after, limits)
        vision_BG = jnp.where(again_BG == NONE, code_BG, again_BG)
        guess_BG = jnp.where(grammar.is_vision(after.state)[:, None], vision_BG, guess_BG)
    return Drafts(history_BS, jnp.where(accepted_B[:, None] > 0, guess_BG, drafts.guess_BG))


def _look_up(history_BS: Array, place_B: Array, guesses: int) -> Array:
    """What followed the best match of the tokens up to `place_B`; a text that repeats itself goes on so."""
    place_S = jnp.arange(history_BS.shape[1])
    equal_BS = jnp.ones(history_BS.shape, jnp.bool_)
    length_BS = jnp.zeros(history_BS.shape, jnp.int32)
    for back in range(LONGEST_MATCH):
        token_B = jnp.take_along_axis(history_BS, jnp.maximum(place_B - back, 0)[:, None], axis=1)
        equal_BS &= (jnp.roll(history_BS, back, axis=1) == token_B) & (place_S >= back)
        length_BS += equal_BS
    length_BS = jnp.where(place_S < place_B[:, None], length_BS, 0)
    best_B = jnp.argmax(length_BS * history_BS.shape[1] + place_S, axis=1)
    period_B1 = jnp.maximum(place_B - best_B, 1)[:, None]
    following_BG = jnp.take_along_axis(history_BS, best_B[:, None] + 1 + jnp.arange(guesses) % period_B1, axis=1, mode="clip")
    matches_B1 = jnp.take_along_axis(length_BS, best_B[:, None], axis=1) >= SHORTEST_MATCH
    return jnp.where(matches_B1, following_BG, NONE)


def _guess_codes(grammar: Grammar, history_BS: Array, place_B: Array, guesses: int, after: GrammarState, limits: Limits) -> Array:
    """The frame before at the same place, or the last code; at a frame's end, what goes on with frames as long as more may follow."""
    index_G = jnp.arange(guesses)
    frames_B1, last_frame_B1 = after.frames[:, None], (after.frames + 1 >= limits.max_frames)[:, None]
    before_BG = place_B[:, None] + 1 + index_G - grammar.frame_tokens
    code_BG = jnp.take_along_axis(history_BS, jnp.where(frames_B1 > 0, before_BG, place_B[:, None]), axis=1, mode="clip")
    is_end_BG = (after.state[:, None] - grammar.first_code + index_G) % grammar.frame_tokens == grammar.frame
    return jnp.where(is_end_BG, grammar.end_of_frame + last_frame_B1, code_BG)
