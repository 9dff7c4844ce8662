"""Records to examples in bulk, and what becomes of those that make none."""

import sys
from collections.abc import Iterable, Iterator
from typing import Literal

from lwm_trainer.data.encoding.encoder import Encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.records.reader import BadRecord
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.storage.errors import DataCorruptError

_BATCH_RECORDS = 256
_BATCH_SIZE = 2**20
"""Letters and codes that are encoded in one go, so that memory holds little of what is read."""
_PRINTED = 100


class Skips:
    """Counts records that make no example; the first hundred are printed with file and line."""

    def __init__(self, policy: Literal["fail", "skip"]) -> None:
        self._policy = policy
        self.count = 0
        self.first = ""

    def __call__(self, bad: BadRecord) -> None:
        """Raises DataCorruptError where such a record is not to be skipped."""
        if self._policy == "fail":
            raise DataCorruptError(str(bad))
        self.first = self.first or str(bad)
        self.count += 1
        if self.count <= _PRINTED:
            print(f"skipped: {bad}", file=sys.stderr, flush=True)
        if self.count == _PRINTED + 1:
            print("skipped: more records, which are counted and not printed", file=sys.stderr, flush=True)


def examples(found: Iterable[Record | BadRecord], encode: Encoder, skip: Skips) -> Iterator[tuple[Record, Example]]:
    """Each example with the record it was made of, in the records' order; `skip` hears of the others in that order."""
    batch: list[Record | BadRecord] = []
    weight = 0
    for each in found:
        batch.append(each)
        weight += size(each)
        if len(batch) == _BATCH_RECORDS or weight >= _BATCH_SIZE:
            yield from _encoded(batch, encode, skip)
            batch, weight = [], 0
    yield from _encoded(batch, encode, skip)


def _encoded(batch: list[Record | BadRecord], encode: Encoder, skip: Skips) -> Iterator[tuple[Record, Example]]:
    made = iter(encode([each for each in batch if isinstance(each, Record)]))
    for each in batch:
        if isinstance(each, BadRecord):
            skip(each)
        elif isinstance(example := next(made), BadRecordError):
            skip(BadRecord(each.uri, each.line, str(example)))
        else:
            yield each, example


def size(record: Record | BadRecord) -> int:
    """Letters and codes of a record: about its bytes."""
    return sum(len(value) for value in record.fields.values() if isinstance(value, str | list)) if isinstance(record, Record) else 0
