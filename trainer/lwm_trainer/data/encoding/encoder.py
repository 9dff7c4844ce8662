"""The encoder of a data set: records in, examples out, in batches, because tokenizers are fastest in bulk."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lwm_trainer.config import Dataset
from lwm_trainer.data.drawn_epochs import DRAWN_EPOCHS, EVERY_EPOCH
from lwm_trainer.data.encoding import field_language
from lwm_trainer.data.encoding.chat import chat_parts
from lwm_trainer.data.encoding.example import Example, RenderedText, TextPart, encode_parts, encode_rendered, token_part
from lwm_trainer.data.encoding.rendered_chat import ChatRenderer
from lwm_trainer.data.encoding.tokenizer import Tokenizer
from lwm_trainer.data.encoding.vision import frame_tokens, vision_tags
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.data.seeded_random import permutation, random_keys

Encoder = Callable[[Sequence[Record]], list[list[Example] | BadRecordError]]
"""One result per record, in their order: its examples, whose sets of epochs do not overlap and have all epochs together; that of the first
epoch comes first. A result depends on its record alone, however records are batched."""

_UNCONDITIONAL, _LINE = 1, 2  # the last word of a record's random key, after the seed, its file and its number


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What draws make of a record, before it is tokenized."""

    content: list[TextPart] | RenderedText
    epochs: int = EVERY_EPOCH


def encoder(dataset: Dataset, tokenizer: Tokenizer, vision_vocab_size: int | None, seed: int) -> Encoder:
    """Build the encoder of a data set.

    Args:
        vision_vocab_size: of the model; None when it has no vision vocabulary.
        seed: with a record's place in the data set and the epoch, draws which of the record's own field lines applies and whether it is
            unconditional.

    Raises DataError when the data set can make no example whatever its records are, and what `read_files` raises for a chat template.
    """
    if dataset.kind == "vision":
        _check_vocabulary(dataset, vision_vocab_size)
    outcomes = _outcomes(dataset, tokenizer, seed)

    def encode(records: Sequence[Record]) -> list[list[Example] | BadRecordError]:
        results: list[list[_Outcome] | BadRecordError] = []
        for record in records:
            try:
                made = outcomes(record)
                for outcome in made:
                    _check_text(outcome.content, tokenizer)
                results.append(made)
            except BadRecordError as error:
                results.append(error)
        contents = [outcome.content for result in results if isinstance(result, list) for outcome in result]
        examples = encode_parts([content for content in contents if isinstance(content, list)], tokenizer)
        rendered = encode_rendered([content for content in contents if isinstance(content, RenderedText)], tokenizer)
        return [
            [replace(next(examples if isinstance(each.content, list) else rendered), epochs=each.epochs) for each in result]
            if isinstance(result, list)
            else result
            for result in results
        ]

    return encode


def _outcomes(dataset: Dataset, tokenizer: Tokenizer, seed: int) -> Callable[[Record], list[_Outcome]]:
    """A function from a record to what becomes of it; it raises BadRecordError."""
    if dataset.kind not in ("chat", "qa"):
        return _FieldEncoder(dataset, tokenizer, seed).outcomes
    if dataset.chat.template == "lwm":
        parts = chat_parts(dataset.chat.messages_field, tokenizer)
        return lambda record: [_Outcome(parts(record))]
    renderer = ChatRenderer(tokenizer, dataset.chat)
    return lambda record: [_Outcome(renderer.render(record.fields))]


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
        self._is_drawn = dataset.is_drawn
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

    def outcomes(self, record: Record) -> list[_Outcome]:
        """The record's examples as parts, each with the epochs that draw it. Raises BadRecordError."""
        if not self._is_drawn:
            return [_Outcome(self._parts(record, self._fields))]
        lines = [self._fields] if self._fields_from is None else self._lines_of_record(record, self._fields_from)
        place = self._seed, _file_key(record.file), record.number
        # The lines take turns, in an order that is the record's own: independent draws would never use one of two lines for an eighth
        # of the records.
        order = permutation(len(lines), *place, _LINE)
        epochs: dict[tuple[field_language.Field, ...], int] = {}
        for epoch, unconditional_key in enumerate(random_keys(DRAWN_EPOCHS, *place, _UNCONDITIONAL).tolist()):
            fields = lines[order[epoch % len(lines)]]
            if any(field.visual and field.in_loss for field in fields) and unconditional_key < self._frames.unconditional * 2**64:
                fields = tuple(field for field in fields if field.visual)
            epochs[fields] = epochs.get(fields, 0) | 1 << epoch
        return [_Outcome(self._parts(record, fields), drawn) for fields, drawn in epochs.items()]

    def _parts(self, record: Record, fields: Sequence[field_language.Field]) -> list[TextPart]:
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

    def _lines_of_record(self, record: Record, name: str) -> list[tuple[field_language.Field, ...]]:
        """The record's own field lines under `name`. Raises BadRecordError, also for a line that no epoch draws."""
        value: Any = field_language.field_value(name, record.fields)
        lines = [value] if isinstance(value, str) else value
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise BadRecordError(
                f"field {name!r} holds {field_language.json_type(value)}, not a field line or a list of them: write such as 'text'"
            )
        try:
            parsed = [field_language.parse(line, vision=self._visual) for line in lines]
        except field_language.FieldLineError as error:
            raise BadRecordError(f"field {name!r}: {error}") from error
        if len(lines) > DRAWN_EPOCHS:
            raise BadRecordError(
                f"field {name!r} holds {len(lines)} field lines, of which no epoch would use some: write {DRAWN_EPOCHS} or less"
            )
        return parsed


@lru_cache(maxsize=64)
def _file_key(name: str) -> int:
    """A number for a file: sets of many small files draw as evenly as one large file."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:8])
