"""Which data set each row is drawn from."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.seeded_random import permutation, random_keys

MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 2**10, 2**20


class Mixture:
    """Deals the rows of each batch to data sets, as evenly by weight as whole rows allow.

    Batches are dealt in shuffled blocks. Every block holds the same number of rows of a data set, and every batch the same number or one
    more. So the share of a data set is exact to one row in a block (and at least one row) and to one row in a batch, and the rows of a data
    set before row r are counted without going through the run.
    """

    def __init__(self, weights: Sequence[float], batch_rows: int, *key: int) -> None:
        """Round the weights to whole rows of a block; `batch_rows` is the number of rows of a batch, `key` seeds the shuffles."""
        shares = np.asarray(weights, dtype=np.float64) / sum(weights)
        wanted = min(max(MIN_BLOCK_ROWS, float(1 / shares.min())), MAX_BLOCK_ROWS)
        self._batches = int(np.ceil(max(wanted, len(shares)) / batch_rows))
        self.block_rows = self._batches * batch_rows
        exact = shares * self.block_rows
        self.counts = np.maximum(np.floor(exact).astype(np.int64), 1)
        """int64 [data sets], the rows of each in a block."""
        while (missing := self.block_rows - int(self.counts.sum())) != 0:
            lack = exact - self.counts
            self.counts[np.argmax(lack) if missing > 0 else np.argmin(np.where(self.counts > 1, lack, np.inf))] += np.sign(missing)
        self._key = key
        self._block = lru_cache(maxsize=2)(self._deal_block)

    def draw(self, row: int) -> tuple[int, int]:
        """The data set of a row of the run, and the row's number among the rows of that data set."""
        block, index = divmod(row, self.block_rows)
        datasets, numbers = self._block(block)
        dataset = int(datasets[index])
        return dataset, block * int(self.counts[dataset]) + int(numbers[index])

    def rows_before(self, row: int) -> NDArray[np.int64]:
        """How many of the run's rows before `row` are of each data set, int64 [data sets]."""
        block, index = divmod(row, self.block_rows)
        counts: NDArray[np.int64] = block * self.counts
        return counts + np.bincount(self._block(block)[0][:index], minlength=len(counts)) if index else counts

    def _deal_block(self, block: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The data set of each row of a block, and the row's number among those of its data set in the block."""
        in_every_batch, rest = np.divmod(self.counts, self._batches)
        common = np.tile(np.repeat(np.arange(len(self.counts)), in_every_batch), (self._batches, 1))
        # The rows that remain are dealt to the batches in turn, one data set after the other, so no batch gets two of the same data set.
        remaining = np.repeat(np.arange(len(self.counts)), rest).reshape(-1, self._batches).T
        batches = np.concatenate([common, remaining], axis=1)[permutation(self._batches, *self._key, block, 1)]
        order = random_keys(batches.size, *self._key, block, 2).reshape(batches.shape).argsort(axis=1, kind="stable")
        datasets = np.take_along_axis(batches, order, axis=1).ravel()
        numbers = np.zeros(self.block_rows, dtype=np.int64)
        for dataset, count in enumerate(self.counts):
            numbers[datasets == dataset] = np.arange(count)
        return datasets, numbers
