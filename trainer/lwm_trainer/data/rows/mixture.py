"""From which data set a row is drawn."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.seeded_random import permutation

BLOCK = 1024


class Mixture:
    """Deals rows to data sets by weight, in shuffled blocks of `BLOCK` rows.

    Each block holds the same number of rows of a data set, so that the share is exact to one row in a block (never less than one), and
    how many rows of a data set came before row r needs no counting through the run.
    """

    def __init__(self, weights: Sequence[float], *name: int) -> None:
        exact = np.asarray(weights, dtype=np.float64) / sum(weights) * BLOCK
        self.counts = np.maximum(np.floor(exact).astype(np.int64), 1)
        while (missing := BLOCK - int(self.counts.sum())) != 0:
            lack = exact - self.counts
            self.counts[np.argmax(lack) if missing > 0 else np.argmin(np.where(self.counts > 1, lack, np.inf))] += np.sign(missing)
        self._name = name
        self._block = lru_cache(maxsize=2)(self._deal)

    def draw(self, row: int) -> tuple[int, int]:
        """The data set of the run's row, and its number among that data set's rows."""
        block, place = divmod(row, BLOCK)
        datasets, numbers = self._block(block)
        dataset = int(datasets[place])
        return dataset, block * int(self.counts[dataset]) + int(numbers[place])

    def _deal(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        datasets = np.repeat(np.arange(len(self.counts)), self.counts)[permutation(BLOCK, *self._name, block)]
        numbers = np.zeros(BLOCK, dtype=np.int64)
        for dataset, count in enumerate(self.counts):
            numbers[datasets == dataset] = np.arange(count)
        return datasets, numbers
