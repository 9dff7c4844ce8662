"""grain's packers over the same documents, as its own examples use them: shuffled documents, packed on the fly, batched."""

from collections.abc import Iterator
from typing import Any

import grain
import numpy as np
from numpy.typing import NDArray

from benchmarks.data.corpus import CONTEXT, ROWS
from lwm_trainer.data.documents.in_memory import InMemoryDocuments

PACKERS = {"first fit": grain.experimental.FirstFitPackIterDataset, "best fit": grain.experimental.BestFitPackIterDataset}
BINS = 64
"""Rows that are open at a time: grain's documentation asks for as many as fit, MaxText takes a few dozen."""


class _Source:
    def __init__(self, documents: InMemoryDocuments) -> None:
        self._documents = documents

    def __len__(self) -> int:
        return len(self._documents)

    def __getitem__(self, number: int) -> dict[str, NDArray[np.int32]]:
        begin, end = self._documents.offsets[number : number + 2]
        return {"tokens": self._documents.tokens[begin:end]}


def rows(documents: InMemoryDocuments, packer: str, *, repeat: bool = False) -> Any:
    """An iterable of rows: tokens, their segments and their positions, each int32 [CONTEXT]."""
    shuffled = grain.MapDataset.source(_Source(documents)).seed(0).shuffle()
    if repeat:
        shuffled = shuffled.repeat()
    read = shuffled.to_iter_dataset(grain.ReadOptions(num_threads=0))
    return PACKERS[packer](read, length_struct={"tokens": CONTEXT}, num_packing_bins=BINS)


def batches(documents: InMemoryDocuments, packer: str) -> Iterator[dict[str, NDArray[Any]]]:
    """Endless batches of ROWS rows."""
    return iter(rows(documents, packer, repeat=True).batch(ROWS))


def fill(documents: InMemoryDocuments, packer: str) -> float:
    """Share of the places that hold a token, over one epoch."""
    held = count = 0
    for row in rows(documents, packer):
        held += int(np.count_nonzero(row["tokens_segment_ids"]))
        count += 1
    return held / (count * CONTEXT)
