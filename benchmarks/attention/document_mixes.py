"""Rows of documents on which layouts are compared: the extremes, and a mix of lengths as texts have them."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

SHORT = 1 / 512
"""A short document's share of the row: 2K tokens at 1M."""


def row(lengths: list[int]) -> NDArray[np.int32]:
    """`start` of a row that holds documents of these lengths, without padding: int32[sum of lengths]."""
    return np.repeat(np.cumsum([0, *lengths[:-1]]), lengths).astype(np.int32)


def one_document(tokens: int) -> NDArray[np.int32]:
    return row([tokens])


def lognormal(tokens: int, seed: int = 0) -> NDArray[np.int32]:
    """Median 8K at 1M, sigma 1.5, no document over a quarter of the row; the last is cut where the row ends."""
    random, lengths, left = np.random.default_rng(seed), [], tokens
    while left:
        drawn = int(random.lognormal(np.log(tokens / 128), 1.5))
        lengths.append(min(max(drawn, 1), tokens // 4, left))
        left -= lengths[-1]
    return row(lengths)


def half_and_short(tokens: int) -> NDArray[np.int32]:
    """One document of half the row, then short ones."""
    short = max(1, int(tokens * SHORT))
    return row([tokens // 2] + [short] * (tokens // 2 // short))


def sixteen(tokens: int) -> NDArray[np.int32]:
    return row([tokens // 16] * 16)


def short(tokens: int) -> NDArray[np.int32]:
    size = max(1, int(tokens * SHORT))
    return row([size] * (tokens // size))


MIXES: dict[str, Callable[[int], NDArray[np.int32]]] = {
    "one document": one_document,
    "lognormal": lognormal,
    "half and short": half_and_short,
    "sixteen": sixteen,
    "short": short,
}
"""From the row's tokens, a multiple of 512, to its `start`."""
