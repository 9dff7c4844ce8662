"""One shard: records read, encoded and written, with the lengths of its documents and its counts beside it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lwm_trainer.config import Dataset
from lwm_trainer.data.documents.store_schema import LENGTHS, SHARD, Counts, counts_file, lengths_file, shard_file
from lwm_trainer.data.encoding.bulk import Skips, examples, size
from lwm_trainer.data.encoding.concatenate import counted, joined_loss, joined_tokens, joined_vision
from lwm_trainer.data.encoding.encoder import Encoder
from lwm_trainer.data.encoding.example import Example
from lwm_trainer.data.records.reader import records
from lwm_trainer.data.records.shards import Shard
from lwm_trainer.storage.folder import Folder
from lwm_trainer.storage.listing import Listing

_TELL_EVERY = 256
"""Documents."""


def write_shard(
    files: Folder, number: int, listing: Listing, shard: Shard, dataset: Dataset, encode: Encoder, tell: Callable[[Counts], None]
) -> None:
    """The counts are written last: then the shard is whole. `tell` hears of how far it is.

    Raises DataCorruptError, with file and line, for a bad record that is not to be skipped.
    """
    whole = sum(part.size for part in shard)
    skips = Skips(dataset.on_bad_record)
    made: list[Example] = []
    names: list[str] = []
    lines: list[int] = []
    tokens = read = 0
    for record, example in examples(records(listing, shard), encode, skips):
        made.append(example)
        names.append(record.uri.removeprefix(f"{listing.root}/"))
        lines.append(record.line)
        tokens, read = tokens + len(example.tokens), read + size(record)
        if len(made) % _TELL_EVERY == 0:
            tell(Counts(len(made), tokens, min(read, whole), skips.count))
    with files.new(shard_file(number)) as path:
        write_table(path, _documents(made, names, lines))
    with files.new(lengths_file(number)) as path:
        write_table(path, _lengths(made))
    counts = Counts(len(made), tokens, whole, skips.count, skips.first.removeprefix(f"{listing.root}/"))
    files.write(counts_file(number), counts.write())


def write_table(path: Path, batch: pa.RecordBatch) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _documents(made: Sequence[Example], names: list[str], lines: list[int]) -> pa.RecordBatch:
    offsets = np.concatenate([[0], np.cumsum([len(example.tokens) for example in made])]).astype(np.int64)
    columns = [
        pa.LargeListArray.from_arrays(offsets, pa.array(joined_tokens(made), pa.int32())),
        _bits(offsets, joined_loss(made)),
        _bits(offsets, joined_vision(made)),
        pa.array(names, pa.string()).dictionary_encode(),
        pa.array(lines, pa.int64()),
    ]
    return pa.record_batch(columns, schema=SHARD)


def _bits(offsets: NDArray[np.int64], values: NDArray[np.bool_] | None) -> pa.Array:
    if values is None:
        return pa.nulls(len(offsets) - 1, pa.large_list(pa.bool_()))
    return pa.LargeListArray.from_arrays(offsets, pa.array(values, pa.bool_()))


def _lengths(made: Sequence[Example]) -> pa.RecordBatch:
    columns = [
        [len(example.tokens) for example in made],
        [int(np.count_nonzero(counted(example)[1:])) for example in made],
        [0 if example.vision is None else int(np.count_nonzero(example.vision)) for example in made],
    ]
    return pa.record_batch([pa.array(column, pa.int64()) for column in columns], schema=LENGTHS)
