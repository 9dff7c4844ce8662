"""Records of a data set to examples, in batches, so that tokenizers run in bulk."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.chat import conversation
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.encoding.text_parts import TextPart, examples, token
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.vision import frames, tags
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.seeded_random import random_keys
from lwm_trainer.storage.errors import DataError

Encoder = Callable[[Sequence[Record]], list[Example | BadRecordError]]
"""One answer per record, in their order. An answer depends on its record alone: however records are batched, it is the same."""

_RECORD = 1  # names what is drawn for a record, beside the seed and its number


def encoder(dataset: Dataset, tokenizer: Tokenizer, vision_vocab_size: int | None, seed: int) -> Encoder:
    """The encoder of a data set; `seed` draws, by a record's number, which of its own field lines it follows, and what is unconditional.

    Raises DataError when the data set can make no example, whatever its records are, and what `read_files` raises where a chat's template
    is read.
    """
    if dataset.kind == "vision":
        _check_vocabulary(dataset, vision_vocab_size)
    to_pieces = conversation(dataset, tokenizer) if dataset.kind == "chat" else _Fields(dataset, tokenizer, seed).pieces

    def encode(records: Sequence[Record]) -> list[Example | BadRecordError]:
        made: list[list[TextPart] | BadRecordError] = []
        for record in records:
            try:
                pieces = to_pieces(record)
                _check_unicode(pieces)
                made.append(pieces)
            except BadRecordError as error:
                made.append(error)
        encoded = examples([pieces for pieces in made if isinstance(pieces, list)], tokenizer)
        return [next(encoded) if isinstance(answer, list) else answer for answer in made]

    return encode


def _check_unicode(pieces: Sequence[TextPart]) -> None:
    """JSON can write half a surrogate pair, on which the tokenizer fails, and with it the whole batch."""
    for piece in pieces:
        if isinstance(piece.content, str):
            try:
                piece.content.encode()
            except UnicodeEncodeError as error:
                half = f"U+{ord(piece.content[error.start]):04X}"
                raise BadRecordError(f"a text holds {half}, half of a surrogate pair: write the whole character") from error


def _check_vocabulary(dataset: Dataset, vision_vocab_size: int | None) -> None:
    if vision_vocab_size is None:
        raise DataError(f"datasets[{dataset.name}].kind: the model has no vision vocabulary: set model.vision")
    needed = dataset.frames.codes + 2
    if needed > vision_vocab_size:
        raise DataError(
            f"datasets[{dataset.name}].frames.codes: {dataset.frames.codes} codes, end of frame and end of vision are {needed} tokens, but"
            f" model.vision.vocabSize is {vision_vocab_size}: set frames.codes to {vision_vocab_size - 2} or less, or raise it"
        )


class _Fields:
    """Examples by the field language."""

    def __init__(self, dataset: Dataset, tokenizer: Tokenizer, seed: int) -> None:
        self._own, self._seed, self._frames = dataset.fields_from_example, seed, dataset.frames
        self._draws = self._own is not None or self._frames.unconditional > 0
        self._visual = dataset.kind == "vision"
        self._tags = tags(tokenizer)
        self._begin, self._end = token(tokenizer.begin, loss=False), token(tokenizer.end, loss=True)
        self._line: tuple[field_language.Field, ...] = ()
        if self._own is None:
            try:
                self._line = field_language.parse(dataset.fields, vision=self._visual)
            except field_language.FieldLineError as error:
                raise DataError(f"datasets[{dataset.name}].fields: {error}") from error
            if self._visual and not any(field.visual for field in self._line):
                raise DataError(
                    f"datasets[{dataset.name}].fields: no name in {dataset.fields!r} contains 'vision': add it, or set kind: text"
                )

    def pieces(self, record: Record) -> list[TextPart]:
        """Raises BadRecordError."""
        line = self._line
        if self._draws:
            line_key, unconditional_key = map(int, random_keys(2, self._seed, record.number, _RECORD))
            line = line if self._own is None else self._own_line(record, self._own, line_key)
            if any(field.visual and field.loss for field in line) and unconditional_key < self._frames.unconditional * 2**64:
                line = tuple(field for field in line if field.visual)
        found = [piece for field in line for piece in self._field(field, record)]
        if not any(piece.vision or (isinstance(piece.content, str) and piece.content.strip()) for piece in found):
            raise BadRecordError("the document is empty: leave its record out")
        return [self._begin, *found, self._end]

    def _field(self, field: field_language.Field, record: Record) -> list[TextPart]:
        if field.token is not None:
            return [replace(self._begin if field.token == field_language.BOS else self._end, loss=field.loss)]
        if not field.visual:
            return [TextPart(field_language.text(field, record.fields), field.loss)]
        written = field_language.value(field.names[0], record.fields)
        try:
            codes = frames(written, self._frames)
        except BadRecordError as error:
            raise BadRecordError(f"field {field.names[0]!r} {error}") from error
        opening, closing = (TextPart(tag, field.loss) for tag in self._tags)
        return [opening, TextPart(codes, field.loss, vision=True), closing]

    def _own_line(self, record: Record, name: str, key: int) -> tuple[field_language.Field, ...]:
        found: Any = field_language.value(name, record.fields)
        lines = [found] if isinstance(found, str) else found
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise BadRecordError(
                f"field {name!r} holds {field_language.kind_of(found)}, not a field line or a list of them: write such as 'text'"
            )
        try:
            return field_language.parse(lines[key % len(lines)], vision=self._visual)
        except field_language.FieldLineError as error:
            raise BadRecordError(f"field {name!r}: {error}") from error
