"""Which data set each row is drawn from."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.seeded_random import permutation

BLOCK = 1024
"""Rows that are dealt together."""


class Mixture:
    """Deals rows to data sets by weight, in shuffled blocks of `BLOCK` rows.

    Every block holds the same number of rows of a data set. So the share of a data set is exact to one row in a block (and at least one
    row), and the rows of a data set before row r are counted without going through the run.
    """

    def __init__(self, weights: Sequence[float], *key: int) -> None:
        """Round the weights to whole rows of a block; `key` seeds the shuffles."""
        exact = np.asarray(weights, dtype=np.float64) / sum(weights) * BLOCK
        self.counts = np.maximum(np.floor(exact).astype(np.int64), 1)
        """int64 [data sets], the rows of each in a block."""
        while (missing := BLOCK - int(self.counts.sum())) != 0:
            lack = exact - self.counts
            self.counts[np.argmax(lack) if missing > 0 else np.argmin(np.where(self.counts > 1, lack, np.inf))] += np.sign(missing)
        self._key = key
        self._block = lru_cache(maxsize=2)(self._deal_block)

    def draw(self, row: int) -> tuple[int, int]:
        """The data set of a row of the run, and the row's number among the rows of that data set."""
        block, index = divmod(row, BLOCK)
        datasets, numbers = self._block(block)
        dataset = int(datasets[index])
        return dataset, block * int(self.counts[dataset]) + int(numbers[index])

    def _deal_block(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        datasets = np.repeat(np.arange(len(self.counts)), self.counts)[permutation(BLOCK, *self._key, block)]
        numbers = np.zeros(BLOCK, dtype=np.int64)
        for dataset, count in enumerate(self.counts):
            numbers[datasets == dataset] = np.arange(count)
        return datasets, numbers
