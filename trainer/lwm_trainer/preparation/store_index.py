"""What joins the shards to one store."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lwm_trainer.config import PrepareConfig, Prepared
from lwm_trainer.data.documents.store import read_table
from lwm_trainer.data.documents.store_schema import DOCUMENTS, INDEX, PREPARED, Counts, lengths_file, to_json
from lwm_trainer.preparation.shard import write_table
from lwm_trainer.storage.folder import Folder

_PARALLEL_READS = 8


def write_index(files: Folder, shards: int) -> None:
    """A row per document, in the order of shards and of places in them."""
    with tempfile.TemporaryDirectory(prefix="lwm-index-") as cache, ThreadPoolExecutor(_PARALLEL_READS) as pool:
        tables = list(pool.map(lambda number: read_table(files.local(lengths_file(number), Path(cache))), range(shards)))
        rows = [table.num_rows for table in tables]
        shard = pa.array(np.repeat(np.arange(shards, dtype=np.int32), rows))
        place = pa.array(np.concatenate([np.arange(count, dtype=np.int32) for count in rows]))
        lengths = pa.concat_tables(tables).combine_chunks()
        columns = [*(_one(column) for column in lengths.columns), shard, place]
        with files.new(INDEX) as path:
            write_table(path, pa.record_batch(columns, schema=DOCUMENTS))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def write_prepared(files: Folder, counts: Sequence[Counts], recipe: dict[str, Any], config: PrepareConfig) -> Prepared:
    """Written last of all: the store is whole. Where source and tokenizer lay is for people who look at it."""
    total = sum(counts, Counts())
    numbers = {"documents": total.documents, "tokens": total.tokens, "skipped": total.skipped}
    about = {"prepared": numbers, "firstSkipped": total.first_skipped, "bytes": total.size, "recipe": recipe}
    files.write(PREPARED, to_json(about | {"tokenizer": config.tokenizer, "source": config.dataset.uri}))
    return Prepared(uri=files.uri, **numbers)
