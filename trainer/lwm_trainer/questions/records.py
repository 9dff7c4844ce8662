"""Records of long documents become records of chats about them: chunks first, then the questions about each."""

import random
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from lwm_trainer.config import Dataset, Questions
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.records.record import BadRecord, BadRecordError, Record
from lwm_trainer.questions.endpoint import PARALLEL, EndpointGenerator
from lwm_trainer.questions.extract import ExtractiveGenerator
from lwm_trainer.questions.filters import drop_reason
from lwm_trainer.questions.pair import Generator, Pair
from lwm_trainer.questions.words import normal

KEPT, NONE = "kept", "none"
"""Names under which pairs that are trained on, and chunks about which no pair was written, are counted."""
_AHEAD = 4 * PARALLEL
"""Chunks that are asked about before their turn, at most, beside those of one example."""


class _Piece(NamedTuple):
    """Adjacent chunks of a document that make one example."""

    record: Record
    number: int
    """Which part of its document, from 0."""
    chunks: list[str]
    outcomes: list["Future[Pair | str]"]


class QuestionRecords:
    """Makes the chats of a data set. What a shard becomes depends on its records and the generator alone."""

    def __init__(self, dataset: Dataset, settings: Questions, tokenizer: Tokenizer) -> None:
        """Raises DataError where the endpoint's key is missing."""
        self._fields = field_language.parse(dataset.fields, vision=False)
        self._field = dataset.chat.messages_field
        self._settings, self._tokenizer = settings, tokenizer
        self._generator: Generator = ExtractiveGenerator() if settings.endpoint is None else EndpointGenerator(settings.endpoint)
        self._parallel = 1 if settings.endpoint is None else PARALLEL
        self.counts: Counter[str] = Counter()
        """Pairs of the records so far: those that are kept, and the others by the filter that dropped them."""

    def chats(self, records: Iterable[Record | BadRecord]) -> Iterator[Record | BadRecord]:
        """The chats about each record, in their order; counts and earlier pairs begin anew."""
        self.counts = Counter()
        seen: set[tuple[str, str]] = set()
        waiting: deque[_Piece | BadRecord] = deque()
        with ThreadPoolExecutor(self._parallel, "questions") as pool:
            for record in records:
                for piece in self._pieces(record, pool):
                    waiting.append(piece)
                    while sum(len(each.chunks) for each in waiting if isinstance(each, _Piece)) > _AHEAD and len(waiting) > 1:
                        yield from self._chat(waiting.popleft(), seen)
            while waiting:
                yield from self._chat(waiting.popleft(), seen)

    def _pieces(self, record: Record | BadRecord, pool: ThreadPoolExecutor) -> Iterator[_Piece | BadRecord]:
        if isinstance(record, BadRecord):
            yield record
            return
        try:
            text = " ".join(field_language.field_text(field, record.fields) for field in self._fields)
            if not text.strip():
                raise BadRecordError("the document is empty: leave its record out")
        except BadRecordError as error:
            yield BadRecord(record.uri, record.line, str(error))
            return
        chunks = self.cut(text)
        size = self._settings.chunks
        for number, first in enumerate(range(0, len(chunks), size)):
            part = chunks[first : first + size]
            yield _Piece(record, number, part, [pool.submit(self._outcome, chunk) for chunk in part])

    def cut(self, text: str) -> list[str]:
        """The text in chunks of about `chunkTokens` tokens, which end between words; together they are the text."""
        (tokens,) = self._tokenizer.tokenize_with_offsets([text])
        begins = tokens.offsets[:: self._settings.chunk_tokens, 0].tolist()[1:]
        places = [0, *(_between_words(text, place) for place in begins), len(text)]
        ordered = np.maximum.accumulate(places).tolist()
        return [text[begin:end] for begin, end in pairwise(ordered) if text[begin:end].strip()]

    def _outcome(self, chunk: str) -> Pair | str:
        """The pair about a chunk, or why there is none."""
        pair = self._generator.write(chunk)
        if pair is None:
            return NONE
        return drop_reason(pair, chunk, self._tokenizer) or self._generator.doubts(chunk, pair) or pair

    def _chat(self, piece: _Piece | BadRecord, seen: set[tuple[str, str]]) -> Iterator[Record | BadRecord]:
        if isinstance(piece, BadRecord):
            yield piece
            return
        text, record = "".join(piece.chunks), piece.record
        pairs = list(self._kept(text, [outcome.result() for outcome in piece.outcomes], seen))
        if not pairs:
            return
        # In the order of the chunks, the place of a question would tell where its answer stands.
        random.Random(f"{record.file}/{record.number}/{piece.number}").shuffle(pairs)  # noqa: S311 - the same record, the same order
        messages = [
            {"role": role, "content": content} for pair in pairs for role, content in zip(("user", "assistant"), pair, strict=False)
        ]
        messages[0]["content"] = f"{text}\n\n{messages[0]['content']}"
        yield Record(record.uri, record.line, record.number, {self._field: messages}, len(text.encode()), record.file)

    def _kept(self, text: str, outcomes: Sequence[Pair | str], seen: set[tuple[str, str]]) -> Iterator[Pair]:
        for outcome in outcomes:
            if isinstance(outcome, str):
                self.counts[outcome] += 1
            elif (key := (normal(outcome.question), normal(outcome.answer))) in seen:
                self.counts["duplicate"] += 1
            elif outcome.quote is not None and text.count(outcome.quote) != 1:
                self.counts["ambiguous"] += 1
            else:
                seen.add(key)
                self.counts[KEPT] += 1
                yield outcome


def _between_words(text: str, place: int) -> int:
    """The nearest place before, within the last 200 letters, that ends with a space; else the place itself."""
    for before in range(place, max(place - 200, 0), -1):
        if text[before - 1].isspace():
            return before
    return place
