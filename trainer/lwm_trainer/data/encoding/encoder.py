"""The encoder of a data set: records in, examples out, in batches, because tokenizers are fastest in bulk."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from lwm_trainer.config import Dataset
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.chat import chat_parts
from lwm_trainer.data.encoding.example import Example, RenderedText, TextPart, encode_parts, encode_rendered, token_part
from lwm_trainer.data.encoding.rendered_chat import ChatRenderer
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.vision import frame_tokens, vision_tags
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.seeded_random import random_keys

Encoder = Callable[[Sequence[Record]], list[Example | BadRecordError]]
"""One result per record, in their order. A result depends on its record alone, however records are batched."""

_RECORD = 1  # the last word of a record's random key, after the seed, its file and its number


def encoder(dataset: Dataset, tokenizer: Tokenizer, vision_vocab_size: int | None, seed: int) -> Encoder:
    """Build the encoder of a data set.

    Args:
        vision_vocab_size: of the model; None when it has no vision vocabulary.
        seed: with a record's place in the data set, draws which of the record's own field lines applies and whether it is unconditional.

    Raises DataError when the data set can make no example whatever its records are, and what `read_files` raises for a chat template.
    """
    if dataset.kind == "vision":
        _check_vocabulary(dataset, vision_vocab_size)
    make: Callable[[Record], list[TextPart] | RenderedText]
    if dataset.kind != "chat":
        make = _FieldEncoder(dataset, tokenizer, seed).parts
    elif dataset.chat.template == "lwm":
        make = chat_parts(dataset.chat.messages_field, tokenizer)
    else:
        renderer = ChatRenderer(tokenizer, dataset.chat)
        make = lambda record: renderer.render(record.fields)  # noqa: E731

    def encode(records: Sequence[Record]) -> list[Example | BadRecordError]:
        results: list[list[TextPart] | RenderedText | BadRecordError] = []
        for record in records:
            try:
                made = make(record)
                _check_text(made, tokenizer)
                results.append(made)
            except BadRecordError as error:
                results.append(error)
        examples = encode_parts([parts for parts in results if isinstance(parts, list)], tokenizer)
        rendered = encode_rendered([text for text in results if isinstance(text, RenderedText)], tokenizer)
        return [
            result if isinstance(result, BadRecordError) else next(examples if isinstance(result, list) else rendered) for result in results
        ]

    return encode


def _check_text(made: Sequence[TextPart] | RenderedText, tokenizer: Tokenizer) -> None:
    """Raise BadRecordError for half a surrogate pair, which JSON can write: the tokenizer would fail on the whole batch.

    Also for text that has the form of a special token's internal name.
    """
    parts = [made.content] if isinstance(made, RenderedText) else [part.content for part in made if isinstance(part.content, str)]
    for text in parts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"U+{ord(text[error.start]):04X}"
            raise BadRecordError(f"a text holds {half}, half of a surrogate pair: write the whole character") from error
        if not isinstance(made, RenderedText) and tokenizer.holds_internal_name(text):
            raise BadRecordError("a text holds U+FDD0, a number and U+FDD1, which stands for a special token: leave it out")


def _check_vocabulary(dataset: Dataset, vision_vocab_size: int | None) -> None:
    if vision_vocab_size is None:
        raise DataError(f"datasets[{dataset.name}].kind: the model has no vision vocabulary: set model.vision")
    needed = dataset.frames.codebook_size + 2
    if needed > vision_vocab_size:
        raise DataError(
            f"datasets[{dataset.name}].frames.codebookSize: {dataset.frames.codebook_size} codes, end of frame and end of vision are"
            f" {needed} tokens, but model.vision.vocabSize is {vision_vocab_size}: set frames.codebookSize to {vision_vocab_size - 2}"
            " or less, or raise it"
        )


class _FieldEncoder:
    """Parts of an example as a field line lists them."""

    def __init__(self, dataset: Dataset, tokenizer: Tokenizer, seed: int) -> None:
        self._fields_from, self._seed, self._frames = dataset.fields_from_example, seed, dataset.frames
        self._is_random = self._fields_from is not None or self._frames.unconditional > 0
        self._visual = dataset.kind == "vision"
        self._tags = vision_tags(tokenizer)
        self._begin, self._end = token_part(tokenizer.begin_id, in_loss=False), token_part(tokenizer.end_id, in_loss=True)
        self._fields: tuple[field_language.Field, ...] = ()
        if self._fields_from is None:
            try:
                self._fields = field_language.parse(dataset.fields, vision=self._visual)
            except field_language.FieldLineError as error:
                raise DataError(f"datasets[{dataset.name}].fields: {error}") from error
            if self._visual and not any(field.visual for field in self._fields):
                raise DataError(
                    f"datasets[{dataset.name}].fields: no name in {dataset.fields!r} contains 'vision': add it, or set kind: text"
                )

    def parts(self, record: Record) -> list[TextPart]:
        """The parts of the record's example. Raises BadRecordError."""
        fields = self._fields
        if self._is_random:
            line_key, unconditional_key = map(int, random_keys(2, self._seed, _file_key(record.file), record.number, _RECORD))
            fields = fields if self._fields_from is None else self._fields_of_record(record, self._fields_from, line_key)
            if any(field.visual and field.in_loss for field in fields) and unconditional_key < self._frames.unconditional * 2**64:
                fields = tuple(field for field in fields if field.visual)
        parts = [part for field in fields for part in self._field_parts(field, record)]
        if not any(part.vision or (isinstance(part.content, str) and part.content.strip()) for part in parts):
            raise BadRecordError("the document is empty: leave its record out")
        return [self._begin, *parts, self._end]

    def _field_parts(self, field: field_language.Field, record: Record) -> list[TextPart]:
        if field.token is not None:
            return [replace(self._begin if field.token == field_language.BOS else self._end, in_loss=field.in_loss)]
        if not field.visual:
            return [TextPart(field_language.field_text(field, record.fields), field.in_loss)]
        value = field_language.field_value(field.names[0], record.fields)
        try:
            codes = frame_tokens(value, self._frames)
        except BadRecordError as error:
            raise BadRecordError(f"field {field.names[0]!r} {error}") from error
        opening, closing = (TextPart(tag, field.in_loss) for tag in self._tags)
        return [opening, TextPart(codes, field.in_loss, vision=True), closing]

    def _fields_of_record(self, record: Record, name: str, key: int) -> tuple[field_language.Field, ...]:
        """The fields by the record's own field line under `name`; of several lines, `key` chooses one."""
        value: Any = field_language.field_value(name, record.fields)
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise BadRecordError(
                f"field {name!r} holds {field_language.json_type(value)}, not a field line or a list of them: write such as 'text'"
            )
        try:
            return field_language.parse(lines[key % len(lines)], vision=self._visual)
        except field_language.FieldLineError as error:
            raise BadRecordError(f"field {name!r}: {error}") from error


@lru_cache(maxsize=64)
def _file_key(name: str) -> int:
    """A number for a file: sets of many small files draw as evenly as one large file."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8])
