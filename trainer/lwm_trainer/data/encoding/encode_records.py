"""Records encoded in batches, with a policy for the records that make no example."""

import sys
from collections.abc import Iterable, Iterator
from typing import Literal

from lwm_trainer.data.encoding.encoder import Encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.record import BadRecord, BadRecordError, Record

BATCH_RECORDS = 256
_BATCH_SIZE = 2**20
"""Bytes of source that are encoded in one call, whatever the records hold: bounds the memory that records take."""
_PRINTED = 100


class SkippedRecords:
    """Counts the records that make no example; the first hundred are printed with file and line."""

    def __init__(self, policy: Literal["fail", "skip"]) -> None:
        self._policy = policy
        self.count = 0
        self.first = ""

    def add(self, bad: BadRecord) -> None:
        """Count one record. Raises DataCorruptError when the policy is to fail."""
        if self._policy == "fail":
            raise DataCorruptError(str(bad))
        self.first = self.first or str(bad)
        self.count += 1
        if self.count <= _PRINTED:
            print(f"skipped: {bad}", file=sys.stderr, flush=True)
        if self.count == _PRINTED + 1:
            print("skipped: more records, which are counted and not printed", file=sys.stderr, flush=True)


def encode_records(
    records: Iterable[Record | BadRecord], encode: Encoder, skipped: SkippedRecords, batch_records: int = BATCH_RECORDS
) -> Iterator[tuple[Record, Example]]:
    """Yield each record with its example, in the records' order; records without an example are added to `skipped` in that order.

    A record that draws make several examples of comes with each of them, that of the first epoch first. `batch_records` is the largest
    number of records of a call of `encode`.
    """
    batch: list[Record | BadRecord] = []
    batch_size = 0
    for record in records:
        batch.append(record)
        batch_size += record.size if isinstance(record, Record) else 0
        if len(batch) == batch_records or batch_size >= _BATCH_SIZE:
            yield from _encode_batch(batch, encode, skipped)
            batch, batch_size = [], 0
    yield from _encode_batch(batch, encode, skipped)


def _encode_batch(batch: list[Record | BadRecord], encode: Encoder, skipped: SkippedRecords) -> Iterator[tuple[Record, Example]]:
    results = iter(encode([record for record in batch if isinstance(record, Record)]))
    for record in batch:
        if isinstance(record, BadRecord):
            skipped.add(record)
        elif isinstance(result := next(results), BadRecordError):
            skipped.add(BadRecord(record.uri, record.line, str(result)))
        else:
            yield from ((record, example) for example in result)
