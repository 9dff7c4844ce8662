"""A row as readable text: its documents, their files and lines, and which tokens count in the loss with which weight."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.config import RunConfig
from lwm_trainer.data.documents.span import DocumentSource, Span
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.rows.loader import Batches

COLOURS = ("36", "33", "32", "35", "34", "31")
SHOWN = 200
"""Tokens shown of each end of a long document."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A document, or a part of one, in a row. Arrays are [tokens]."""

    name: str
    """The file and line of the document."""
    begin: int
    """Index of its first token in the document."""
    document_length: int
    """Tokens of the document."""
    tokens: NDArray[np.int32]
    weights: NDArray[np.float32]
    """Weight of each token as a target of the loss; 0 where it does not count."""
    vision: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowView:
    """One row, taken apart."""

    dataset: str
    length: int
    segments: list[Segment]
    summary: str
    """What the rows of the data set are made of, and what is left out."""


class _Recorder:
    """A document source that records where reads begin."""

    def __init__(self, source: DocumentSource) -> None:
        self.offsets, self.targets, self.epochs = source.offsets, source.targets, source.epochs
        self.source = source
        self.begins: list[int] = []

    def read(self, begin: int, end: int) -> Span:
        self.begins.append(begin)
        return self.source.read(begin, end)

    def name(self, document: int) -> str:
        return self.source.name(document)


def view_row(run: RunConfig, documents: Mapping[str, DocumentSource], number: int) -> RowView:
    """Row `number` of the stage, made as in training."""
    recorders = {name: _Recorder(source) for name, source in documents.items()}
    batches = Batches(run, recorders)
    for recorder in recorders.values():
        recorder.begins.clear()
    row = {name: array[0] for name, array in batches.rows(number // run.rows, [number % run.rows]).items()}
    name, source = next((name, source) for name, source in recorders.items() if source.begins)
    # A token attends to its own segment, from `start` on; padding attends to nothing.
    starts = np.unique(row["start"][row["start"] <= row["index"]])
    ends = [*starts[1:].tolist(), int(np.count_nonzero(row["start"] <= row["index"]))]
    weights = np.concatenate([np.zeros(1, np.float32), row["weights"][:-1]])  # of the token as a target of the token before it
    segments = []
    for start, end, begin in zip(starts.tolist(), ends, source.begins, strict=True):
        document = int(np.searchsorted(source.offsets, begin, "right")) - 1
        first, size = int(source.offsets[document]), int(source.offsets[document + 1] - source.offsets[document])
        window = slice(start, end)
        vision = row["vision"][window] > 0 if "vision" in row else np.zeros(end - start, np.bool_)
        token_weights = np.where(np.arange(end - start) > 0, weights[window], 0).astype(np.float32)
        segments.append(Segment(source.name(document), begin - first, size, row["tokens"][window], token_weights, vision))
    summary = batches.summaries[[dataset.name for dataset in run.datasets].index(name)]
    return RowView(name, run.context_length, segments, summary)


def render(
    row: RowView, tokenizer: Tokenizer, *, colour: bool, whole: bool, draw: Callable[[Segment], Iterator[str]] | None = None
) -> Iterator[str]:
    """Render a row as lines. Text that does not count in the loss is dim or, without colours, in double brackets.

    Args:
        whole: render the whole text, not only both ends of long documents.
        draw: gives the lines that show the pictures of a document; None: pictures are not shown.
    """
    for number, segment in enumerate(row.segments):
        paint = COLOURS[number % len(COLOURS)] if colour else None
        yield _head(segment, number, paint)
        size = len(segment.tokens)
        if whole or size <= 2 * SHOWN:
            yield _text(segment, slice(0, size), tokenizer, paint)
        else:
            yield _text(segment, slice(0, SHOWN), tokenizer, paint)
            yield f"… {size - 2 * SHOWN} tokens …"
            yield _text(segment, slice(size - SHOWN, size), tokenizer, paint)
        if draw is not None:
            yield from draw(segment)
    if padding := row.length - sum(len(segment.tokens) for segment in row.segments):
        yield f"padding: {padding} places"


def _head(segment: Segment, number: int, paint: str | None) -> str:
    size = len(segment.tokens)
    part = "" if size == segment.document_length else f" {segment.begin} to {segment.begin + size - 1} of {segment.document_length}"
    distinct = np.unique(segment.weights[segment.weights > 0])
    listed = ", ".join(f"{weight:.3g}" for weight in distinct[:4]) + (", …" if len(distinct) > 4 else "")
    weight = f", weight {listed}" if len(distinct) else ""
    line = f"[{number + 1}] {segment.name}: tokens{part}: {size}, counted {int(np.count_nonzero(segment.weights))}{weight}"
    return line if paint is None else f"\x1b[1;{paint}m{line}\x1b[0m"


def _text(segment: Segment, window: slice, tokenizer: Tokenizer, paint: str | None) -> str:
    tokens, counts, vision = segment.tokens[window], segment.weights[window] > 0, segment.vision[window]
    kinds = 2 * counts.astype(np.int64) + vision
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(tokens)]
    parts = []
    for begin, end in pairwise(edges):
        text = _codes(tokens[begin:end]) if vision[begin] else _decode(tokens[begin:end], tokenizer)
        if paint is None:
            parts.append(text if counts[begin] else f"[[{text}]]")
        else:
            parts.append(f"\x1b[{'' if counts[begin] else '2;'}{paint}m{text}\x1b[0m")
    return "".join(parts)


def _codes(tokens: NDArray[np.int32]) -> str:
    shown = " ".join(map(str, tokens[:4].tolist()))
    return f"<|vision {len(tokens)}: {shown}{' …' if len(tokens) > 4 else ''}|>"


def _decode(tokens: NDArray[np.int32], tokenizer: Tokenizer) -> str:
    """The text of some tokens, with special tokens written out."""
    marks = {token_id: token for token, token_id in tokenizer.special_ids.items()}
    edges = np.flatnonzero(np.isin(tokens, list(marks)))
    parts, begin = [], 0
    for edge in edges.tolist():
        parts += [tokenizer.decode(tokens[begin:edge].tolist()), marks[int(tokens[edge])]]
        begin = edge + 1
    return "".join([*parts, tokenizer.decode(tokens[begin:].tolist())])
