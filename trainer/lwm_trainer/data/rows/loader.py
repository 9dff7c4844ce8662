"""The batches of a stage, each a pure function of (seed, step), so that a restart needs only the step's number.

Letters: B rows, T places of a row (the context length).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import Dataset, RunConfig
from lwm_trainer.data.documents.span import DocumentSource, Span
from lwm_trainer.data.errors import DataMissingError
from lwm_trainer.data.rows.epochs import EpochRows
from lwm_trainer.data.rows.loss_weights import loss_weights
from lwm_trainer.data.rows.mixture import Mixture
from lwm_trainer.data.rows.selection import Segments, Selection

Batch = dict[str, NDArray[Any]]
"""Arrays [B, T] by name: tokens, targets, positions, index, start (int32) and weights (float32); with a vision vocabulary also vision and
target_vision (int32). See `Batches`."""

_MIXTURE = 2**32 - 1  # takes the place of a data set's number in the random key, and is the number of none


class Batches:
    """The batches of one stage. Their arrays, all [B, T]:

    - tokens: token ids; 0 for padding.
    - targets: the next token of the document; 0 where there is none.
    - positions: place within the segment, from 0.
    - index: place within the row, from 0.
    - start: the place in the row at which the token's segment starts. A token attends to [start, index]; padding has index + 1, an empty
      interval.
    - weights: weight of the target in the loss, see `loss_weights`; 0 for targets outside the loss mask, for padding and for the last
      token of a document.
    - vision, target_vision: 1 where the token or the target belongs to the vision vocabulary.
    """

    def __init__(self, config: RunConfig, documents: Mapping[str, DocumentSource]) -> None:
        """Plan the rows of all data sets; `documents` holds them by name.

        Raises DataMissingError when a data set has no document left to train on, and what `select_segments` raises.
        """
        self._length, self._rows = config.context_length, config.rows
        self._vision = config.model.vision is not None
        self._loss = config.loss
        self._mixture = Mixture([dataset.weight for dataset in config.datasets], config.rows, config.seed, config.stage_index, _MIXTURE)
        self._sources = [documents[dataset.name] for dataset in config.datasets]
        self._dataset_rows: list[EpochRows] = []
        self.summaries: list[str] = []
        """One line per data set for the log: what its rows are made of, and what is left out."""
        for number, (dataset, source) in enumerate(zip(config.datasets, self._sources, strict=True)):
            rows = EpochRows(source, self._length, dataset, config.seed, config.stage_index, number, bucketed=config.packing == "bucketed")
            if not rows.first.rows:
                raise DataMissingError(_no_documents(dataset, rows.selection))
            self._dataset_rows.append(rows)
            self.summaries.append(_summary(dataset, rows))

    @property
    def fill(self) -> float:
        """Share of the places that hold a token in first epochs, over the data sets as the mixture weighs them."""
        return float(np.average([rows.first.fill for rows in self._dataset_rows], weights=self._mixture.counts))

    @property
    def first_epoch_rows(self) -> list[int]:
        """Rows of the first epoch of each data set, in the order of the run's data sets."""
        return [rows.first.rows for rows in self._dataset_rows]

    def tokens(self, step: int) -> int:
        """Tokens in the batch of step `step`, without padding."""
        drawn = map(self._mixture.draw, range(step * self._rows, (step + 1) * self._rows))
        return sum(self._dataset_rows[dataset].tokens(row) for dataset, row in drawn)

    def tokens_before(self, step: int) -> int:
        """Tokens in the batches before that of step `step`, without padding."""
        counts = self._mixture.rows_before(step * self._rows).tolist()
        return sum(rows.tokens_before(count) for rows, count in zip(self._dataset_rows, counts, strict=True))

    def batch(self, step: int) -> Batch:
        """The global batch of step `step`, from 0."""
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
        for index_in_batch, number in enumerate(numbers):
            self._write_row({name: array[index_in_batch] for name, array in batch.items()}, number)
        return batch

    def _write_row(self, row: Batch, number: int) -> None:
        """Write row `number` of the run into arrays [T] that hold padding."""
        dataset, row_of_dataset = self._mixture.draw(number)
        segments = self._dataset_rows[dataset].row(row_of_dataset)
        tokens, loss_mask, vision_mask = self._read(self._sources[dataset], segments)
        lengths = segments.lengths
        ends = np.cumsum(lengths)
        filled = slice(int(ends[-1]))
        start = np.repeat((ends - lengths).astype(np.int32), lengths)
        row["tokens"][filled] = tokens[:-1]
        row["start"][filled] = start
        row["positions"][filled] = row["index"][filled] - start
        if self._vision:
            row["vision"][filled] = vision_mask[:-1]
        targets, target_in_loss, target_vision = tokens[1:], loss_mask[1:], vision_mask[1:]
        for array in (targets, target_in_loss, target_vision):
            array[ends[segments.last] - 1] = 0
        row["targets"][filled] = targets
        row["weights"][filled] = loss_weights(self._loss, target_in_loss, target_vision, lengths)
        if self._vision:
            row["target_vision"][filled] = target_vision

    def _read(self, source: DocumentSource, segments: Segments) -> Span:
        """The segments one after the other, and one more token: the next of the last segment's document, or 0 if there is none.

        A segment whose document goes on after it is as long as a row, so it is the only segment of its row.
        """
        size = int(segments.lengths.sum()) + 1
        row = Span(np.zeros(size, np.int32), np.zeros(size, np.bool_), np.zeros(size, np.bool_))
        begin_in_row = 0
        for begin, end, last in zip(*(array.tolist() for array in segments), strict=True):
            span = source.read(begin, end if last else end + 1)
            end_in_row = begin_in_row + len(span.tokens)
            row.tokens[begin_in_row:end_in_row] = span.tokens
            row.loss_mask[begin_in_row:end_in_row] = span.loss_mask
            if self._vision:
                row.vision_mask[begin_in_row:end_in_row] = span.vision_mask
            begin_in_row += end - begin
        return row


def _no_documents(dataset: Dataset, selection: Selection) -> str:
    if selection.remarks:
        return f"datasets[{dataset.name}]: no document is left ({', '.join(selection.remarks)}): widen documents or the row"
    return f"datasets[{dataset.name}]: {dataset.uri} holds no token: put text there"


def _summary(dataset: Dataset, rows: EpochRows) -> str:
    selection, plan = rows.selection, rows.first
    line = f"{selection.documents:,} documents in {plan.rows:,} rows an epoch, {plan.fill:.1%} full"
    return "; ".join([f"datasets[{dataset.name}]: {line}", *selection.remarks])


def unigram_entropy(batches: Batches, steps: Sequence[int]) -> float:
    """Entropy in nats of the targets of `steps` that count: the loss of a model that knows only how often each token occurs."""
    counts: NDArray[np.int64] = np.zeros(0, np.int64)
    for step in steps:
        batch = batches.batch(step)
        step_counts = np.bincount(batch["targets"][batch["weights"] > 0])
        if len(step_counts) < len(counts):
            counts, step_counts = step_counts, counts
        counts = step_counts + np.pad(counts, (0, len(step_counts) - len(counts)))
    shares = counts[counts > 0] / counts.sum()
    return -math.fsum(shares * np.log(shares))
