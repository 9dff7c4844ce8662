"""The files of a store beside its shards: the plan that all workers share, the index over all documents, and the mark of completion."""

import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lwm_trainer.config import PrepareConfig, Prepared
from lwm_trainer.data.documents.store import read_table
from lwm_trainer.data.documents.store_schema import INDEX, PLACE, PLAN, PREPARED, Counts, lengths_file, shard_files, to_json
from lwm_trainer.data.records.shards import FilePart, Shard, cut_shards, shard_bytes
from lwm_trainer.preparation.shard import write_table
from lwm_trainer.storage.folder import Folder
from lwm_trainer.storage.listing import Entry, Listing

_PARALLEL_READS = 8


def read_plan(files: Folder) -> list[Shard] | None:
    """Read which file parts each shard has; None when there is no plan yet."""
    content = files.read(PLAN)
    if content is None:
        return None
    shards = json.loads(content)["shards"]
    return [tuple(FilePart(**part | {"file": Entry(**part["file"])}) for part in shard) for shard in shards]


def is_complete(files: Folder) -> bool:
    """Whether the store is complete, and nobody has deleted a file of it since."""
    names = files.names()
    if not {PREPARED, INDEX, PLAN} <= names:
        return False
    shards = read_plan(files)
    return shards is not None and all(names.issuperset(shard_files(number)) for number in range(len(shards)))


def write_plan(files: Folder, listing: Listing, *, media: bool) -> list[Shard]:
    """Cut the files into shards and write the plan, once, so that every worker, also a restarted one, has the same shards.

    `media`: the records name pictures or clips.
    """
    shards = cut_shards(listing, shard_bytes(listing, media=media))
    files.write(PLAN, to_json({"shards": [[asdict(part) for part in shard] for shard in shards]}))
    return shards


def write_index(files: Folder, shards: int) -> None:
    """Write a row per document, in the order of shards and of rows in them, from the lengths of all shards."""
    with tempfile.TemporaryDirectory(prefix="lwm-index-") as cache, ThreadPoolExecutor(_PARALLEL_READS) as pool:
        tables = list(pool.map(lambda number: read_table(files.local(lengths_file(number), Path(cache))), range(shards)))
        rows = [table.num_rows for table in tables]
        shard = pa.array(np.repeat(np.arange(shards, dtype=np.int32), rows))
        row_in_shard = pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in rows]))
        lengths = pa.concat_tables(tables).combine_chunks()
        columns = [*(_contiguous(column) for column in lengths.columns), shard, row_in_shard]
        with files.new(INDEX) as path:
            write_table(path, pa.record_batch(columns, schema=pa.schema([*lengths.schema, *PLACE])))


def _contiguous(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def write_prepared(files: Folder, counts: Sequence[Counts], recipe: dict[str, Any], config: PrepareConfig) -> Prepared:
    """Write prepared.json, the last file of a store; with it the store is complete.

    It also notes where the source and the tokenizer were, for people and for `lwm data inspect`.
    """
    total = sum(counts, Counts())
    numbers: dict[str, Any] = {"documents": total.documents, "tokens": total.tokens, "skipped": total.skipped}
    if total.questions:
        numbers["questions"] = total.questions
    content = {"prepared": numbers, "firstSkipped": total.first_skipped, "bytes": total.size, "recipe": recipe}
    files.write(PREPARED, to_json(content | {"tokenizer": config.tokenizer, "source": config.dataset.uri}))
    return Prepared(uri=files.uri, **numbers)
