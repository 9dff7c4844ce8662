"""Records of a data set to examples, in batches, so that tokenizers run in bulk."""

from collections.abc import Callable, Sequence
from typing import Any

from lwm_trainer.config import Dataset
from lwm_trainer.data import fields
from lwm_trainer.data.errors import DataError
from lwm_trainer.data.example import BadRecordError, Example, Record
from lwm_trainer.data.order import random_keys
from lwm_trainer.data.pieces import Piece, examples, token
from lwm_trainer.data.tokenizer import Tokenizer

Encoder = Callable[[Sequence[Record]], list[Example | BadRecordError]]
"""One answer per record, in their order. An answer depends on its record alone: however records are batched, it is the same."""

_LINE = 1  # names what is drawn for a record, beside the seed and its number


def encoder(dataset: Dataset, tokenizer: Tokenizer, vision_vocab_size: int | None, seed: int) -> Encoder:
    """The encoder of a data set; `seed` draws, by a record's number, which of its own field lines it follows.

    Raises DataError when the data set can make no example, whatever its records are.
    """
    if dataset.kind == "vision" and vision_vocab_size is None:
        raise DataError(f"datasets[{dataset.name}].kind: the model has no vision vocabulary: set model.vision")
    to_pieces = _Fields(dataset, tokenizer, seed).pieces

    def encode(records: Sequence[Record]) -> list[Example | BadRecordError]:
        made: list[list[Piece] | BadRecordError] = []
        for record in records:
            try:
                made.append(to_pieces(record))
            except BadRecordError as error:
                made.append(error)
        encoded = examples([pieces for pieces in made if isinstance(pieces, list)], tokenizer)
        return [next(encoded) if isinstance(pieces, list) else pieces for pieces in made]

    return encode


class _Fields:
    """Examples by the field language."""

    def __init__(self, dataset: Dataset, tokenizer: Tokenizer, seed: int) -> None:
        self._own, self._seed = dataset.fields_from_example, seed
        self._begin, self._end = tokenizer.begin, tokenizer.end
        self._fields: tuple[fields.Field, ...] = ()
        if self._own is None:
            try:
                self._fields = fields.parse(dataset.fields)
            except fields.FieldLineError as error:
                raise DataError(f"datasets[{dataset.name}].fields: {error}") from error

    def pieces(self, record: Record) -> list[Piece]:
        line = self._fields if self._own is None else self._line(record, self._own)
        found = [token(self._begin, loss=False)]
        empty = True
        for field in line:
            if field.token is not None:
                found.append(token(self._begin if field.token == fields.BOS else self._end, loss=field.loss))
                continue
            text = fields.text(field, record.fields)
            empty = empty and not text.strip()
            found.append(Piece(text, field.loss))
        if empty:
            raise BadRecordError("the document is empty: leave its record out")
        return [*found, token(self._end, loss=True)]

    def _line(self, record: Record, name: str) -> tuple[fields.Field, ...]:
        found: Any = fields.value(name, record.fields)
        lines = [found] if isinstance(found, str) else found
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise BadRecordError(f"field {name!r} holds {fields.kind_of(found)}, not a field line or a list of them: write such as 'text'")
        key = int(random_keys(1, self._seed, record.number, _LINE)[0])
        try:
            return fields.parse(lines[key % len(lines)])
        except fields.FieldLineError as error:
            raise BadRecordError(f"field {name!r}: {error}") from error
