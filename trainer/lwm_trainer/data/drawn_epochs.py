"""Epochs that differ in what is drawn for a record: its field line, and whether it is unconditional.

Draws decide tokens and lengths, so a record is encoded once for each outcome, and each of its documents carries a set of epochs. The sets
are over a cycle of `DRAWN_EPOCHS`: after it the draws begin again, while the order of documents is another one in every epoch. So a token
store, the memory of preparation and the number of planned epochs are bounded, whatever the number of field lines and epochs.
"""

import numpy as np
from numpy.typing import NDArray

DRAWN_EPOCHS = 4
"""Epochs of a cycle, and the largest number of field lines that a record may have."""
EVERY_EPOCH = 2**DRAWN_EPOCHS - 1
"""The set of all epochs. A set is a number: bit e stands for epoch e of each cycle."""


def in_epoch(epochs: NDArray[np.uint8] | None, epoch: int, documents: int) -> NDArray[np.bool_]:
    """Which documents are used in an epoch, bool [documents].

    Args:
        epochs: the set of each document, [documents]; None: all documents are used in every epoch.
    """
    if epochs is None:
        return np.ones(documents, np.bool_)
    return (epochs & (1 << epoch % DRAWN_EPOCHS)) > 0
