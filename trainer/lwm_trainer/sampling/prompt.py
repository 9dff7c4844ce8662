"""Tokens of a row: ids with the vocabulary that each belongs to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class TokenRow(NamedTuple):
    """Some tokens of a row, [n]."""

    tokens: NDArray[np.int32]
    vision: NDArray[np.bool_]
    """True where the token belongs to the vision vocabulary."""

    @property
    def length(self) -> int:
        return len(self.tokens)

    def before(self, place: int) -> "TokenRow":
        """The tokens before `place`."""
        return TokenRow(self.tokens[:place], self.vision[:place])

    def after(self, place: int) -> "TokenRow":
        """The tokens from `place` on."""
        return TokenRow(self.tokens[place:], self.vision[place:])


def text_row(tokens: Sequence[int] | NDArray[np.int32]) -> TokenRow:
    """Tokens of the text vocabulary."""
    ids = np.asarray(tokens, np.int32)
    return TokenRow(ids, np.zeros(len(ids), np.bool_))


def vision_row(tokens: Sequence[int] | NDArray[np.int32]) -> TokenRow:
    """Tokens of the vision vocabulary."""
    ids = np.asarray(tokens, np.int32)
    return TokenRow(ids, np.ones(len(ids), np.bool_))


def join(*rows: TokenRow) -> TokenRow:
    """The tokens of all, one after the other."""
    empty = text_row([])
    return TokenRow(*(np.concatenate(arrays) for arrays in zip(empty, *rows, strict=True)))


def common_length(one: TokenRow, other: TokenRow) -> int:
    """Tokens that both begin with."""
    size = min(one.length, other.length)
    differs = (one.tokens[:size] != other.tokens[:size]) | (one.vision[:size] != other.vision[:size])
    return int(np.argmax(differs)) if differs.any() else size
