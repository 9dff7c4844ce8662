"""Which tokens may follow, as tables over states, so that every picture and clip is well formed.

A vision span is `<vision>`, frames and `</vision>`. A frame is n codes and end of frame, or end of vision for the last one. The states:

- text 0 to m - 1: so many pieces of the opening tag have just been written; the m-th begins a span;
- code 0 to n - 1, and the separator after them;
- closing 0 to m' - 1: the pieces of the closing tag, each of which must follow;
- the end.

Tokens of the text vocabulary are 0 to V - 1 and those of the vision vocabulary follow them, so that one number names a token of either.

Letters: B rows, Q states, V tokens of the text vocabulary, U tokens of both together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

TEXT = 0
"""The state in which a text begins."""


class Limits(NamedTuple):
    """What decides where spans may begin and end, [B]."""

    min_frames: Array
    max_frames: Array
    may_show: Array
    """Whether the row may begin a span by itself."""
    only_vision: Array
    """Whether the row ends with its first span."""


class GrammarState(NamedTuple):
    """Where each row is, [B]."""

    state: Array
    """int32."""
    frames: Array
    """int32, whole frames of the span so far."""
    remaining: Array
    """int32, tokens that the row may still write."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """The tables of one tokenizer and one layout of frames."""

    text_size: int
    """V."""
    written: NDArray[np.bool_]
    """bool[V], tokens that a text may have."""
    opening: tuple[int, ...]
    """The pieces of `<vision>`; empty for a model without vision."""
    closing: tuple[int, ...]
    codes: int
    """Number of different codes: end of frame has this id in the vision vocabulary, end of vision the next one."""
    frame: int
    """Codes of a frame, n."""
    vision_size: int
    """Tokens of the vision vocabulary."""

    @property
    def first_code(self) -> int:
        return max(len(self.opening), 1)

    @property
    def separator(self) -> int:
        return self.first_code + self.frame

    @property
    def first_closing(self) -> int:
        return self.separator + 1

    @property
    def end(self) -> int:
        """The state of a row that has ended."""
        return self.first_closing + len(self.closing)

    @property
    def end_of_frame(self) -> int:
        """As a token of both vocabularies; end of vision is the next one."""
        return self.text_size + self.codes

    @property
    def frame_tokens(self) -> int:
        """Tokens of a frame with what follows it."""
        return self.frame + 1

    def joint(self, token: Array, vision: Array) -> Array:
        """A token of its own vocabulary as a token of both."""
        return jnp.where(vision, token + self.text_size, token)

    def is_vision(self, state: Array) -> Array:
        """Whether the next token belongs to the vision vocabulary."""
        return (state >= self.first_code) & (state <= self.separator)

    def is_text(self, state: Array) -> Array:
        """Whether the next token is free text, which stop ids may end."""
        return state < self.first_code

    def allowed(self, at: GrammarState, limits: Limits) -> Array:
        """The tokens that may follow, bool[B, U]."""
        token_U = jnp.arange(self.text_size + self.vision_size)
        state_B1 = at.state[:, None]
        text_U = jnp.asarray(np.pad(self.written, (0, self.vision_size)))
        if not self.opening:
            return jnp.broadcast_to(text_U, (len(at.state), len(text_U)))
        # A span is begun only where its least frames and the closing tag fit.
        needed_B = limits.min_frames * self.frame_tokens + len(self.closing) + 1
        may_open_B = limits.may_show & (at.remaining >= needed_B)
        opens_BU = (state_B1 == len(self.opening) - 1) & (token_U == self.opening[-1])
        text_BU = text_U & ~(opens_BU & ~may_open_B[:, None])
        code_U = (token_U >= self.text_size) & (token_U < self.end_of_frame)
        fits_B = at.remaining >= 1 + self.frame_tokens + len(self.closing)
        goes_on_B = (at.frames + 1 < limits.max_frames) & fits_B
        # Where the room ends before the least number of frames, the span ends all the same: the row was checked before it began.
        ends_B = (at.frames + 1 >= limits.min_frames) | ~goes_on_B
        separator_BU = ((token_U == self.end_of_frame) & goes_on_B[:, None]) | ((token_U == self.end_of_frame + 1) & ends_B[:, None])
        closing_Q = jnp.asarray(np.pad(np.array(self.closing, np.int32), (self.first_closing, 1)))
        return jnp.where(
            self.is_text(state_B1),
            text_BU,
            jnp.where(
                state_B1 < self.separator,
                code_U,
                jnp.where(state_B1 == self.separator, separator_BU, token_U == closing_Q[at.state][:, None]),
            ),
        )

    def advance(self, at: GrammarState, token_B: Array, limits: Limits) -> GrammarState:
        """The state after one more token of each row."""
        next_state = jnp.asarray(self._after_text())[jnp.minimum(at.state, self.first_code - 1), token_B.clip(0, self.text_size - 1)]
        remaining = at.remaining - 1
        if not self.opening:
            return GrammarState(jnp.where(remaining == 0, self.end, next_state), at.frames, remaining)
        ends_frame = at.state == self.separator
        ends_span = ends_frame & (token_B != self.end_of_frame)
        after_closing = jnp.where(limits.only_vision, self.end, TEXT)
        state = jnp.where(self.is_text(at.state), next_state, at.state + 1)
        state = jnp.where(ends_frame, jnp.where(ends_span, self.first_closing, self.first_code), state)
        state = jnp.where(at.state == self.end - 1, after_closing, state)
        state = jnp.where(remaining == 0, self.end, state)
        frames = jnp.where(ends_span | self.is_text(at.state), 0, at.frames + ends_frame)
        return GrammarState(state, frames, remaining)

    def _after_text(self) -> NDArray[np.int32]:
        """The state after each token in each text state, int32[text states, V]: how much of the opening tag stands at the end."""
        table = np.zeros((self.first_code, self.text_size), np.int32)
        for state in range(len(self.opening)):
            for token in set(self.opening):
                written = [*self.opening[:state], token]
                table[state, token] = max(size for size in range(state + 2) if size == 0 or written[-size:] == list(self.opening[:size]))
        return table

    def state_after(self, tokens: NDArray[np.int32], vision: NDArray[np.bool_]) -> tuple[int, int]:
        """The state and the frames after a prompt. Raises ValueError, which names the place, for a last span that is not well formed."""
        if not vision.any():
            return self._text_state(tokens), 0
        last = int(np.flatnonzero(vision)[-1])
        first = last - int(np.argmin(vision[last::-1])) + 1 if not vision[: last + 1].all() else 0
        self._check_span(tokens[first : last + 1], first)
        after = tokens[last + 1 :].tolist()
        ended = tokens[last] == self.codes + 1
        if not after and not ended:
            frames, place = divmod(last + 1 - first, self.frame_tokens)
            return self.first_code + place, frames
        if not ended:
            raise ValueError(f"place {last}: text follows code {tokens[last]}: end the frames with end of vision, {self.codes + 1}")
        if len(after) < len(self.closing) and tuple(after) == self.closing[: len(after)]:
            return self.first_closing + len(after), 0
        return self._text_state(np.array(after, np.int32)), 0

    def _text_state(self, tokens: NDArray[np.int32]) -> int:
        state = TEXT
        for size in range(min(len(tokens), len(self.opening)), 0, -1):
            if tuple(tokens[-size:].tolist()) == self.opening[:size]:
                state = size
                break
        return state

    def _check_span(self, tokens: NDArray[np.int32], first: int) -> None:
        place_in_frame = np.arange(len(tokens)) % self.frame_tokens
        is_code = place_in_frame < self.frame
        last = np.arange(len(tokens)) == len(tokens) - 1
        valid = np.where(is_code, (tokens >= 0) & (tokens < self.codes), (tokens == self.codes) | (last & (tokens == self.codes + 1)))
        if len(wrong := np.flatnonzero(~valid)):
            at = int(wrong[0])
            expected = f"a code below {self.codes}" if is_code[at] else f"end of frame, {self.codes}"
            raise ValueError(f"place {first + at}: vision token {tokens[at]}, but {expected} belongs there: frames have {self.frame} codes")


def text_grammar(text_size: int, written: Sequence[int] | NDArray[np.int32]) -> Grammar:
    """The grammar of a model without vision: the tokens in `written`, in any order."""
    allowed = np.zeros(text_size, np.bool_)
    allowed[np.asarray(written)] = True
    return Grammar(text_size, allowed, (), (), 0, 0, 0)
