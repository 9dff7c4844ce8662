"""Batches as a pure function of (seed, step): any number of hosts resumes from one integer."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import RunConfig
from lwm_trainer.data.documents import Documents
from lwm_trainer.data.errors import DataMissingError
from lwm_trainer.data.mixture import Mixture
from lwm_trainer.data.packing import Plan

Batch = dict[str, NDArray[Any]]
"""Arrays [rows, context length]: tokens, targets, positions, index, start (int32) and weights (float32), with a vision vocabulary
vision and target_vision (int32); see `Batches`."""

_MIXTURE = 2**32 - 1  # stands where a data set's number stands, and is none


class Batches:
    """The batches of one stage.

    tokens: ids; padding holds 0. targets: the next token of the document. positions: place in the document's piece, from 0.
    index: place in the row. start: place in the row where the token's piece starts, so that a token attends to [start, index]; for
    padding index + 1, an empty interval. weights: 1 where the target counts, 0 for padding and for a document's last token.
    vision, target_vision: 1 where the token or the target is of the vision vocabulary; documents are text, so 0.
    """

    def __init__(self, config: RunConfig, documents: Mapping[str, Documents]) -> None:
        """Raises DataMissingError when a data set has no token."""
        self._length, self._rows = config.context_length, config.rows
        self._vision = config.model.vision is not None
        self._mixture = Mixture([dataset.weight for dataset in config.datasets], config.seed, config.stage_index, _MIXTURE)
        self._tokens: list[NDArray[np.int32]] = []
        self._plans: list[Plan] = []
        for number, dataset in enumerate(config.datasets):
            found = documents[dataset.name]
            plan = Plan(found.offsets, self._length, config.seed, config.stage_index, number)
            if not plan.rows:
                raise DataMissingError(f"datasets[{dataset.name}]: {dataset.uri} holds no token: put text there")
            self._plans.append(plan)
            self._tokens.append(found.tokens)

    @property
    def fill(self) -> float:
        """Share of the places that hold a token, the data sets weighted as in the mixture."""
        return float(np.average([plan.fill for plan in self._plans], weights=self._mixture.counts))

    def batch(self, step: int) -> Batch:
        """The global batch with which step `step` (from 0) is computed."""
        return self.rows(step, range(self._rows))

    def rows(self, step: int, row_indices: Iterable[int]) -> Batch:
        """Rows `row_indices` (from 0) of the step's global batch, in that order."""
        built = [self._row(step * self._rows + row) for row in row_indices]
        return {name: np.stack([row[name] for row in built]) for name in built[0]}

    def _row(self, number: int) -> Batch:
        dataset, place = self._mixture.draw(number)
        source = self._tokens[dataset]
        tokens, targets, positions = (np.zeros(self._length, np.int32) for _ in range(3))
        index = np.arange(self._length, dtype=np.int32)
        start = index + np.int32(1)
        weights = np.zeros(self._length, np.float32)
        at = 0
        for begin, end, last in self._plans[dataset].row(place):
            size = end - begin
            here = slice(at, at + size)
            tokens[here] = source[begin:end]
            positions[here] = index[:size]
            start[here] = at
            counted = size - 1 if last else size
            targets[at : at + counted] = source[begin + 1 : begin + 1 + counted]
            weights[at : at + counted] = 1
            at += size
        row = {"tokens": tokens, "targets": targets, "positions": positions, "index": index, "start": start, "weights": weights}
        if self._vision:
            row |= {name: np.zeros(self._length, np.int32) for name in ("vision", "target_vision")}
        return row


def unigram_entropy(batches: Batches, steps: Sequence[int]) -> float:
    """Entropy in nats of the targets that count in `steps`: the loss of knowing how often each token comes, and nothing else."""
    counts: NDArray[np.int64] = np.zeros(0, np.int64)
    for step in steps:
        batch = batches.batch(step)
        found = np.bincount(batch["targets"][batch["weights"] > 0])
        if len(found) < len(counts):
            counts, found = found, counts
        counts = found + np.pad(counts, (0, len(found) - len(counts)))
    shares = counts[counts > 0] / counts.sum()
    return -math.fsum(shares * np.log(shares))
