"""Batches as a pure function of (seed, step): any number of hosts resumes from one integer."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.span import Source, Span
from lwm_trainer.data.rows.loss_weights import weights_of
from lwm_trainer.data.rows.mixture import Mixture
from lwm_trainer.data.rows.packing import Plan
from lwm_trainer.data.rows.selection import Segments, Selection, select
from lwm_trainer.storage.errors import DataMissingError

Batch = dict[str, NDArray[Any]]
"""Arrays [rows, context length]: tokens, targets, positions, index, start (int32) and weights (float32), with a vision vocabulary
vision and target_vision (int32); see `Batches`."""

_MIXTURE = 2**32 - 1  # stands where a data set's number stands, and is none


class Batches:
    """The batches of one stage.

    tokens: ids; padding holds 0. targets: the next token of the document. positions: place in the document's piece, from 0.
    index: place in the row. start: place in the row where the token's piece starts, so that a token attends to [start, index]; for
    padding index + 1, an empty interval. weights: of the target in the loss, see `weights_of`; 0 for what does not count, for padding
    and for a document's last token. vision, target_vision: 1 where the token or the target is of the vision vocabulary.
    """

    def __init__(self, config: RunConfig, documents: Mapping[str, Source]) -> None:
        """Raises DataMissingError when a data set has no document left to train on, and what `select` raises."""
        self._length, self._rows = config.context_length, config.rows
        self._vision = config.model.vision is not None
        self._loss = config.loss
        self._mixture = Mixture([dataset.weight for dataset in config.datasets], config.seed, config.stage_index, _MIXTURE)
        self._sources = [documents[dataset.name] for dataset in config.datasets]
        self._plans: list[Plan] = []
        self.about: list[str] = []
        """A line on each data set: what its rows are made of, and what is left out."""
        for number, (dataset, source) in enumerate(zip(config.datasets, self._sources, strict=True)):
            selection = select(source, self._length, dataset)
            plan = Plan(selection.pieces, self._length, config.seed, config.stage_index, number, bucketed=config.packing == "bucketed")
            if not plan.rows:
                raise DataMissingError(_nothing(dataset, selection))
            self._plans.append(plan)
            self.about.append(_about(dataset, selection, plan))

    @property
    def fill(self) -> float:
        """Share of the places that hold a token, the data sets weighted as in the mixture."""
        return float(np.average([plan.fill for plan in self._plans], weights=self._mixture.counts))

    def batch(self, step: int) -> Batch:
        """The global batch with which step `step` (from 0) is computed."""
        return self.rows(step, range(self._rows))

    def rows(self, step: int, row_indices: Iterable[int]) -> Batch:
        """Rows `row_indices` (from 0) of the step's global batch, in that order."""
        numbers = [step * self._rows + row for row in row_indices]
        shape = (len(numbers), self._length)
        index = np.tile(np.arange(self._length, dtype=np.int32), (shape[0], 1))
        batch: Batch = {"tokens": np.zeros(shape, np.int32), "targets": np.zeros(shape, np.int32), "positions": np.zeros(shape, np.int32)}
        batch |= {"index": index, "start": index + np.int32(1), "weights": np.zeros(shape, np.float32)}
        if self._vision:
            batch |= {"vision": np.zeros(shape, np.int32), "target_vision": np.zeros(shape, np.int32)}
        for place, number in enumerate(numbers):
            self._fill({name: array[place] for name, array in batch.items()}, number)
        return batch

    def _fill(self, row: Batch, number: int) -> None:
        """Row `number` of the run into arrays that hold padding."""
        dataset, place = self._mixture.draw(number)
        pieces = self._plans[dataset].row(place)
        tokens, loss, vision = self._read(self._sources[dataset], pieces)
        sizes = pieces.lengths
        ends = np.cumsum(sizes)
        here = slice(int(ends[-1]))
        start = np.repeat((ends - sizes).astype(np.int32), sizes)
        row["tokens"][here] = tokens[:-1]
        row["start"][here] = start
        row["positions"][here] = row["index"][here] - start
        if self._vision:
            row["vision"][here] = vision[:-1]
        targets, counted, target_vision = tokens[1:], loss[1:], vision[1:]
        for array in (targets, counted, target_vision):
            array[ends[pieces.last] - 1] = 0
        row["targets"][here] = targets
        row["weights"][here] = weights_of(self._loss, counted, target_vision, sizes)
        if self._vision:
            row["target_vision"][here] = target_vision

    def _read(self, source: Source, pieces: Segments) -> Span:
        """The pieces one after the other, and one token more: that behind the last piece, or 0 where its document ends.

        A piece that its document goes on behind is as long as a row, so that it is the only one.
        """
        size = int(pieces.lengths.sum()) + 1
        span = Span(np.zeros(size, np.int32), np.zeros(size, np.bool_), np.zeros(size, np.bool_))
        at = 0
        for begin, end, last in zip(*(array.tolist() for array in pieces), strict=True):
            found = source.read(begin, end if last else end + 1)
            behind = at + len(found.tokens)
            span.tokens[at:behind] = found.tokens
            span.loss[at:behind] = found.loss
            if self._vision:
                span.vision[at:behind] = found.vision
            at += end - begin
        return span


def _nothing(dataset: Dataset, selection: Selection) -> str:
    if selection.remarks:
        return f"datasets[{dataset.name}]: no document is left ({', '.join(selection.remarks)}): widen documents or the row"
    return f"datasets[{dataset.name}]: {dataset.uri} holds no token: put text there"


def _about(dataset: Dataset, selection: Selection, plan: Plan) -> str:
    made = f"{selection.documents:,} documents in {plan.rows:,} rows an epoch, {plan.fill:.1%} full"
    return "; ".join([f"datasets[{dataset.name}]: {made}", *selection.remarks])


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
