"""The benchmark's input: a row of documents, its useful arithmetic, and the order of its tokens.

Letters: B rows (one here), T tokens of the row, H heads, C head width.
"""

from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.ring.layout import plan_layout

HEADS, WIDTH = 4, 128
DEVICES = 8

DOCUMENTS = {"causal": 1, "packed4": 4, "packed16": 16}
"""Documents in a row, by the word that stands in the rows' names."""

BACKWARD = 3.5
"""Forward and backward pass together, in forward passes: two products forward, five backward (the scores are computed again)."""


def document_lengths(length: int, documents: int) -> list[int]:
    """Tokens of each document: uneven (0.5 to 1.5 of the mean), at odd places, in the same proportions for every length."""
    shares = np.random.default_rng(documents).uniform(0.5, 1.5, documents)
    edges = np.round(np.cumsum(shares) / shares.sum() * length).astype(int)
    return [int(end - begin) for begin, end in pairwise([0, *edges])]


def starts(documents: list[int]) -> NDArray[np.int32]:
    """For each token, the place where its document starts."""
    return np.repeat(np.cumsum([0, *documents[:-1]]), documents).astype(np.int32)


def useful_flops(documents: list[int], heads: int, width: int, backward: bool) -> float:
    """FLOPs of attention when nothing masked is computed: 2 S^2 C H per document forward (causal: half of all pairs)."""
    forward = sum(2.0 * size**2 * width * heads for size in documents)
    return forward * BACKWARD if backward else forward


def order(start: NDArray[np.int32], ring_size: int) -> NDArray[np.int32]:
    """Positions of the row in the order in which the ranks of our ring hold them."""
    return plan_layout(start, ring_size)


class Arrays(NamedTuple):
    """float32 [1, T, H, C], in the order of the row."""

    q: NDArray[np.float32]
    k: NDArray[np.float32]
    v: NDArray[np.float32]
    dout: NDArray[np.float32]


@cache
def arrays(length: int, heads: int = HEADS, width: int = WIDTH) -> Arrays:
    random = np.random.default_rng(0)
    return Arrays(*(random.standard_normal((1, length, heads, width), dtype=np.float32) for _ in range(4)))
