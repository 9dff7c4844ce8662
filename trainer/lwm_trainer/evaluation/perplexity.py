"""`perplexity`: the loss of held-out documents by position, in buckets whose bounds are powers of two.

A model that uses its context has a lower loss at later positions. A flat curve does not prove that it finds what stands far back: for that,
the other suites ask.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.evaluation.results_file import Line, ResultsFile
from lwm_trainer.evaluation.suite import SuiteError, Tokenize, Tokens

LogProbabilities = Callable[[Tokens], NDArray[np.float32]]
"""A document of n tokens to the log-probability of each in nats, float32[n], after the token that begins a document."""
RESAMPLES = 1000
"""Resamplings of the documents, for the intervals."""


class DocumentLoss(NamedTuple):
    """The losses of a document: a line of the file of results."""

    number: int
    """From 0, in the order of the files."""
    tokens: int
    """Those that are scored."""
    left_out: int
    """Those beyond the length up to which documents are scored."""
    sums: tuple[float, ...]
    """The summed loss in nats of each bucket."""


class Bucket(NamedTuple):
    """The positions `first` to `last` of all documents, from 0."""

    first: int
    last: int
    documents: int
    tokens: int
    loss: float
    """The mean over tokens, in nats."""
    low: float
    """The 95 % interval of the mean, by resampling documents."""
    high: float

    @property
    def perplexity(self) -> float:
        return math.exp(self.loss)


def bounds(tokens: int) -> list[tuple[int, int]]:
    """The first position and the one after the last of each bucket of a document: 0, 1, 2 to 3, 4 to 7 and so on."""
    edges = [0, *(2**power for power in range(max(tokens - 1, 0).bit_length() + 1))]
    return [(begin, min(end, tokens)) for begin, end in pairwise(edges) if begin < tokens]


def document_losses(
    texts: Iterable[str], run: Mapping[str, Any], length: int, most: int, tokenize: Tokenize, score: LogProbabilities, results: Path
) -> Iterator[DocumentLoss]:
    """Score every document that `results` does not hold yet; yields all, those of the file first.

    Args:
        run: what is evaluated and with which settings: names the run that the file belongs to.
        length: positions of a document that are scored, at most.
        most: documents, at most.

    Raises SuiteError where the file belongs to another run, or there is no document.
    """
    file = ResultsFile(results, {"suite": "perplexity", **run})
    earlier = [_parse(file, index, line) for index, line in enumerate(file.earlier)]
    yield from earlier
    count = 0
    for number, text in enumerate(texts):
        if number == most:
            break
        count += 1
        if number < len(earlier):
            continue
        tokens = tokenize(text)
        losses = -score(tokens[:length]).astype(np.float64)
        sums = tuple(float(losses[begin:end].sum()) for begin, end in bounds(len(losses)))
        document = DocumentLoss(number, len(losses), len(tokens) - len(losses), sums)
        file.append(document._asdict())
        yield document
    if not count:
        raise SuiteError("--text: has no document: give a file or folder with texts")


def buckets(documents: Sequence[DocumentLoss], seed: int = 0) -> list[Bucket]:
    """The mean losses by position. A document that ends within a bucket counts with the tokens that it has there."""
    most = max((len(document.sums) for document in documents), default=0)
    sums, counts = np.zeros((len(documents), most)), np.zeros((len(documents), most))
    for row, document in enumerate(documents):
        sums[row, : len(document.sums)] = document.sums
        counts[row, : len(document.sums)] = [end - begin for begin, end in bounds(document.tokens)]
    drawn = np.random.default_rng(seed).integers(0, len(documents), (RESAMPLES, len(documents)))
    edges = bounds(max(document.tokens for document in documents))
    made = []
    for column, (begin, end) in enumerate(edges):
        totals, weights = sums[drawn, column].sum(1), counts[drawn, column].sum(1)
        low, high = np.quantile(totals[weights > 0] / weights[weights > 0], [0.025, 0.975])
        tokens = int(counts[:, column].sum())
        present = int((counts[:, column] > 0).sum())
        made.append(Bucket(begin, end - 1, present, tokens, float(sums[:, column].sum() / tokens), float(low), float(high)))
    return made


def total_loss(documents: Sequence[DocumentLoss]) -> float:
    """The mean loss of all tokens, in nats."""
    return math.fsum(sum(document.sums) for document in documents) / sum(document.tokens for document in documents)


def _parse(file: ResultsFile, index: int, line: Line) -> DocumentLoss:
    try:
        document = DocumentLoss(**{**line, "sums": tuple(line["sums"])})
    except (KeyError, TypeError) as error:
        raise file.no_result(index, error) from error
    if document.number != index:
        raise file.no_result(index, f"number is {document.number}, not {index}")
    return document
