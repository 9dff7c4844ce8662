"""Rows of parquet files, and of data sets that Hugging Face's `datasets` saved to disk (Arrow streams)."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.data.records.unreadable_file import unreadable_file

_BATCH_ROWS = 64
_BATCH_BYTES = 2**22
"""Rows, and about the bytes, that are read at once: a row may hold a book, or millions of vision codes."""


class TableRow(Mapping[str, Any]):
    """A row of a table by column name. A value becomes a Python object when it is asked for, so columns nobody uses cannot fail."""

    def __init__(self, batch: pa.RecordBatch, row: int) -> None:
        self._batch, self._row = batch, row

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return int(self._batch.slice(self._row, 1).nbytes)

    def __getitem__(self, name: str) -> Any:
        """Raises BadRecordError for a value that cannot be read, KeyError for a column that is not there."""
        if name not in self._batch.schema.names:
            raise KeyError(name)
        try:
            return self._batch.column(name)[self._row].as_py()
        except UnicodeDecodeError as error:  # Arrow does not check that its strings are UTF-8
            raise BadRecordError(f"field {name!r}: byte {error.start} of a text is not UTF-8: write the row anew") from error
        except (ValueError, OverflowError, pa.ArrowException) as error:
            raise BadRecordError(f"field {name!r} cannot be read ({error}): write the row anew") from error

    def __contains__(self, name: object) -> bool:
        return name in self._batch.schema.names

    def __iter__(self) -> Iterator[str]:
        return iter(self._batch.schema.names)

    def __len__(self) -> int:
        return int(self._batch.num_columns)

    def __repr__(self) -> str:
        return f"TableRow({dict(self)!r})"


def row_groups(file: BinaryIO, uri: str) -> list[tuple[int, int]]:
    """Rows and compressed bytes of each row group of a parquet file. Raises DataCorruptError."""
    try:
        metadata = pq.ParquetFile(file).metadata
    except (pa.ArrowException, OSError) as error:
        raise unreadable_file(uri, file, "not a parquet file", error, "write it anew") from error
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [(group.num_rows, sum(group.column(number).total_compressed_size for number in range(group.num_columns))) for group in groups]


def parquet_rows(file: BinaryIO, uri: str, begin: int, end: int) -> Iterator[TableRow]:
    """Yield the rows of row groups `begin` to `end` (exclusive; clipped to what the file has). Raises DataCorruptError."""
    try:
        table = pq.ParquetFile(file)
        _require_unique(uri, table.schema_arrow)
        for number in range(begin, min(end, table.num_row_groups)):
            group = table.metadata.row_group(number)
            rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * group.num_rows // max(group.total_byte_size, 1)))
            for batch in table.iter_batches(rows, row_groups=[number]):
                yield from _rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise unreadable_file(uri, file, "not a complete parquet file", error, "write it anew") from error


def arrow_rows(file: BinaryIO, uri: str) -> Iterator[TableRow]:
    """Yield the rows of an Arrow stream. Raises DataCorruptError."""
    try:
        with pa.ipc.open_stream(file) as stream:
            _require_unique(uri, stream.schema)
            for batch in stream:
                yield from _rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise unreadable_file(
            uri, file, "not a complete Arrow stream, as save_to_disk of Hugging Face's datasets writes them", error, "write it anew"
        ) from error


def _rows(batch: pa.RecordBatch) -> Iterator[TableRow]:
    return (TableRow(batch, row) for row in range(batch.num_rows))


def _require_unique(uri: str, schema: pa.Schema) -> None:
    """Raise DataCorruptError for two columns of one name."""
    for index, name in enumerate(schema.names):
        if name in schema.names[:index]:
            raise DataCorruptError(f"{uri}: two columns have the name {name!r}: rename or remove one of them")
