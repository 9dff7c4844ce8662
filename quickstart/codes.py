"""An honest quantiser for the example's pictures: each patch becomes the number of the most similar of 256 patches.

It shows what vision data look like at a size that is made in seconds; a trained one (VQGAN) has codes that mean more. All arithmetic is
on whole numbers, so that every machine makes the same codes.
"""

import numpy as np
from numpy.typing import NDArray

SIDE, PATCH, CODES = 32, 4, 256
"""Pixels of a frame's and of a patch's side, and patches of the codebook."""
TOKENS = (SIDE // PATCH) ** 2
"""Codes of a frame."""
_ROUNDS = 8


def patches(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """[frames, SIDE, SIDE, 3] to [frames * TOKENS, PATCH * PATCH * 3], row by row of each frame."""
    count, across = len(frames), SIDE // PATCH
    cut = frames.reshape(count, across, PATCH, across, PATCH, 3).swapaxes(2, 3)
    return cut.reshape(count * TOKENS, -1).astype(np.int64)


def pixels(found: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The inverse of `patches`."""
    across = SIDE // PATCH
    laid = found.reshape(-1, across, across, PATCH, PATCH, 3).swapaxes(2, 3)
    return laid.reshape(-1, SIDE, SIDE, 3).astype(np.uint8)


def codebook(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """[CODES, values of a patch] by k-means, from patches at even distances in the order of their brightness."""
    order = np.argsort(found.sum(axis=1), kind="stable")
    centres = found[order[np.linspace(0, len(found) - 1, CODES).astype(np.int64)]]
    for _ in range(_ROUNDS):
        nearest = quantise(found, centres)
        counts = np.bincount(nearest, minlength=CODES)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, found)
        used = counts > 0
        centres[used] = sums[used] // counts[used, None]
    return centres


def quantise(found: NDArray[np.int64], centres: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the nearest centre to each patch; of equally near ones, the first."""
    # Floats multiply faster, and hold whole numbers of this size exactly.
    products = (found.astype(np.float64) @ centres.T.astype(np.float64)).astype(np.int64)
    nearest: NDArray[np.int64] = np.argmin((centres**2).sum(axis=1) - 2 * products, axis=1)
    return nearest
