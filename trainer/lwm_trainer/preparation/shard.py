"""Writes one shard: its documents, their lengths, and its counts."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lwm_trainer.config import Dataset
from lwm_trainer.data.documents.store_schema import EPOCHS, LENGTHS, SHARD, Counts, counts_file, lengths_file, shard_file
from lwm_trainer.data.encoding.encode_records import BATCH_RECORDS, SkippedRecords, encode_records
from lwm_trainer.data.encoding.encoder import Encoder
from lwm_trainer.data.encoding.example import (
    Example,
    concatenate_loss_masks,
    concatenate_tokens,
    concatenate_vision_masks,
    document_offsets,
    explicit_loss_mask,
)
from lwm_trainer.data.records.reader import read_records
from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.data.records.shards import Shard
from lwm_trainer.questions.records import QuestionRecords
from lwm_trainer.storage.folder import Folder
from lwm_trainer.storage.listing import Listing

_REPORT_DOCUMENTS = 256
"""Documents between two reports of progress."""
_SLOW_RECORDS = 32
"""Records that are encoded in one call, and between two reports, where they take longer than text: pictures, clips, and questions."""


def write_shard(
    files: Folder,
    number: int,
    listing: Listing,
    shard: Shard,
    dataset: Dataset,
    encode: Encoder,
    report: Callable[[Counts], None],
    questions: QuestionRecords | None = None,
) -> None:
    """Read, encode and write shard `number`. Its counts are written last and mark it as complete.

    Args:
        files: the folder of the store.
        report: called with the counts so far.
        questions: makes chats of the records, for kind qa.

    Raises DataCorruptError, with file and line, for a bad record when the policy is to fail.
    """
    shard_size = sum(part.size for part in shard)
    skipped = SkippedRecords(dataset.on_bad_record)
    examples: list[Example] = []
    names: list[str] = []
    lines: list[int] = []
    documents = tokens = size = 0  # of the first epoch
    slow = dataset.media is not None or questions is not None
    batch_records, report_documents = (_SLOW_RECORDS, _SLOW_RECORDS) if slow else (BATCH_RECORDS, _REPORT_DOCUMENTS)
    records: Iterable[Record | BadRecord] = read_records(listing, shard)
    if questions is not None:
        records = questions.chats(records)
    for record, example in encode_records(records, encode, skipped, batch_records):
        examples.append(example)
        names.append(record.uri.removeprefix(f"{listing.root}/"))
        lines.append(record.line)
        if not example.epochs & 1:
            continue
        documents, tokens, size = documents + 1, tokens + len(example.tokens), size + record.size
        if documents % report_documents == 0:
            report(Counts(documents, tokens, min(size, shard_size), skipped.count, questions=_counts(questions)))
    with files.new(shard_file(number)) as path:
        write_table(path, _documents(examples, names, lines))
    with files.new(lengths_file(number)) as path:
        write_table(path, _lengths(examples, drawn=dataset.is_drawn))
    counts = Counts(documents, tokens, shard_size, skipped.count, skipped.first.removeprefix(f"{listing.root}/"), _counts(questions))
    files.write(counts_file(number), counts.to_json())


def _counts(questions: QuestionRecords | None) -> dict[str, int]:
    return {} if questions is None else dict(sorted(questions.counts.items()))


def write_table(path: Path, batch: pa.RecordBatch) -> None:
    """Write one record batch as an Arrow file."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _documents(examples: Sequence[Example], names: list[str], lines: list[int]) -> pa.RecordBatch:
    offsets = document_offsets(examples)
    columns = [
        pa.LargeListArray.from_arrays(offsets, pa.array(concatenate_tokens(examples), pa.int32())),
        _mask_column(offsets, concatenate_loss_masks(examples)),
        _mask_column(offsets, concatenate_vision_masks(examples)),
        pa.array(names, pa.string()).dictionary_encode(),
        pa.array(lines, pa.int64()),
    ]
    return pa.record_batch(columns, schema=SHARD)


def _mask_column(offsets: NDArray[np.int64], mask: NDArray[np.bool_] | None) -> pa.Array:
    """A list column of a flat mask; all null for None."""
    if mask is None:
        return pa.nulls(len(offsets) - 1, pa.large_list(pa.bool_()))
    return pa.LargeListArray.from_arrays(offsets, pa.array(mask, pa.bool_()))


def _lengths(examples: Sequence[Example], *, drawn: bool) -> pa.RecordBatch:
    columns = [
        [len(example.tokens) for example in examples],
        [int(np.count_nonzero(explicit_loss_mask(example)[1:])) for example in examples],
        [0 if example.vision_mask is None else int(np.count_nonzero(example.vision_mask)) for example in examples],
    ]
    arrays, schema = [pa.array(column, pa.int64()) for column in columns], LENGTHS
    if drawn:
        arrays.append(pa.array([example.epochs for example in examples], EPOCHS.type))
        schema = schema.append(EPOCHS)
    return pa.record_batch(arrays, schema=schema)
