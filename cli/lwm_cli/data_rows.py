"""A row taken apart: its documents, where each came from, what counts in the loss and how much, as text with colours or without."""

from collections.abc import Iterator, Mapping
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
"""Tokens of either end of a long document."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A document, or a piece of one, in a row. Arrays are [tokens]."""

    name: str
    """The file and line that it came from."""
    at: int
    """Its place in the row."""
    begin: int
    """The place of its first token in the document."""
    of: int
    """The document's tokens."""
    tokens: NDArray[np.int32]
    weights: NDArray[np.float32]
    """Of each token as a target in the loss; 0 where it does not count."""
    vision: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Row:
    dataset: str
    length: int
    segments: list[Segment]


class _Watched:
    """A data set that writes down which places are read."""

    def __init__(self, source: DocumentSource) -> None:
        self.offsets = source.offsets
        self.source = source
        self.begins: list[int] = []

    def read(self, begin: int, end: int) -> Span:
        self.begins.append(begin)
        return self.source.read(begin, end)

    def name(self, document: int) -> str:
        return self.source.name(document)


def row_of(run: RunConfig, documents: Mapping[str, DocumentSource], number: int) -> Row:
    """Row `number` of the stage, built as training builds it."""
    watched = {name: _Watched(source) for name, source in documents.items()}
    batches = Batches(run, watched)
    for each in watched.values():
        each.begins.clear()
    built = {name: array[0] for name, array in batches.rows(number // run.rows, [number % run.rows]).items()}
    name, source = next((name, source) for name, source in watched.items() if source.begins)
    # A token attends to its own piece, from `start` on; padding attends to nothing.
    starts = np.unique(built["start"][built["start"] <= built["index"]])
    ends = [*starts[1:].tolist(), int(np.count_nonzero(built["start"] <= built["index"]))]
    weights = np.concatenate([np.zeros(1, np.float32), built["weights"][:-1]])  # of the token itself, as a target of the one before
    segments = []
    for at, end, begin in zip(starts.tolist(), ends, source.begins, strict=True):
        document = int(np.searchsorted(source.offsets, begin, "right")) - 1
        first, size = int(source.offsets[document]), int(source.offsets[document + 1] - source.offsets[document])
        here = slice(at, end)
        vision = built["vision"][here] > 0 if "vision" in built else np.zeros(end - at, np.bool_)
        own = np.where(np.arange(end - at) > 0, weights[here], 0).astype(np.float32)
        segments.append(Segment(source.name(document), at, begin - first, size, built["tokens"][here], own, vision))
    return Row(name, run.context_length, segments)


def draw(row: Row, tokenizer: Tokenizer, *, colour: bool, whole: bool) -> Iterator[str]:
    """Lines. What does not count in the loss is dim; without colours, it stands in double brackets."""
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
    if left := row.length - sum(len(each.tokens) for each in row.segments):
        yield f"padding: {left} places"


def _head(segment: Segment, number: int, paint: str | None) -> str:
    size = len(segment.tokens)
    part = "" if size == segment.of else f" {segment.begin} to {segment.begin + size - 1} of {segment.of}"
    counted = np.unique(segment.weights[segment.weights > 0])
    each = ", ".join(f"{weight:.3g}" for weight in counted[:4]) + (", …" if len(counted) > 4 else "")
    weight = f", weight {each}" if len(counted) else ""
    line = f"[{number + 1}] {segment.name}: tokens{part}: {size}, counted {int(np.count_nonzero(segment.weights))}{weight}"
    return line if paint is None else f"\x1b[1;{paint}m{line}\x1b[0m"


def _text(segment: Segment, here: slice, tokenizer: Tokenizer, paint: str | None) -> str:
    tokens, counts, vision = segment.tokens[here], segment.weights[here] > 0, segment.vision[here]
    kinds = 2 * counts.astype(np.int64) + vision
    edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), len(tokens)]
    parts = []
    for begin, end in pairwise(edges):
        text = _codes(tokens[begin:end]) if vision[begin] else _words(tokens[begin:end], tokenizer)
        if paint is None:
            parts.append(text if counts[begin] else f"[[{text}]]")
        else:
            parts.append(f"\x1b[{'' if counts[begin] else '2;'}{paint}m{text}\x1b[0m")
    return "".join(parts)


def _codes(tokens: NDArray[np.int32]) -> str:
    shown = " ".join(map(str, tokens[:4].tolist()))
    return f"<|vision {len(tokens)}: {shown}{' …' if len(tokens) > 4 else ''}|>"


def _words(tokens: NDArray[np.int32], tokenizer: Tokenizer) -> str:
    """The text, in which the tokens that begin and end documents can be seen."""
    marks = {tokenizer.begin_id: "<s>", tokenizer.end_id: "</s>"}
    edges = np.flatnonzero(np.isin(tokens, list(marks)))
    parts, at = [], 0
    for edge in edges.tolist():
        parts += [tokenizer.decode(tokens[at:edge].tolist()), marks[int(tokens[edge])]]
        at = edge + 1
    return "".join([*parts, tokenizer.decode(tokens[at:].tolist())])
