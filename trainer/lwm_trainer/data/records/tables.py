"""Rows of parquet files, and of data sets that Hugging Face's `datasets` saved to disk (Arrow streams)."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from lwm_trainer.data.errors import DataCorruptError

RowOrProblem = dict[str, Any] | str
"""A row by column name, or a string that says what is wrong with it."""

_BATCH_ROWS = 64
"""Rows held as Python objects at once: a row may hold a book, or millions of vision codes."""


def row_groups(file: BinaryIO, uri: str) -> list[tuple[int, int]]:
    """Rows and compressed bytes of each row group of a parquet file. Raises DataCorruptError."""
    try:
        metadata = pq.ParquetFile(file).metadata
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(uri, "not a parquet file", error) from error
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return [(group.num_rows, sum(group.column(number).total_compressed_size for number in range(group.num_columns))) for group in groups]


def parquet_rows(file: BinaryIO, uri: str, begin: int, end: int) -> Iterator[RowOrProblem]:
    """Yield the rows of row groups `begin` to `end` (exclusive; clipped to what the file has). Raises DataCorruptError."""
    try:
        table = pq.ParquetFile(file)
        for batch in table.iter_batches(_BATCH_ROWS, row_groups=range(begin, min(end, table.num_row_groups))):
            yield from _rows(batch)
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(uri, "not a complete parquet file", error) from error


def arrow_rows(file: BinaryIO, uri: str) -> Iterator[RowOrProblem]:
    """Yield the rows of an Arrow stream. Raises DataCorruptError."""
    try:
        with pa.ipc.open_stream(file) as stream:
            for batch in stream:
                for begin in range(0, batch.num_rows, _BATCH_ROWS):
                    yield from _rows(batch.slice(begin, _BATCH_ROWS))
    except (pa.ArrowException, OSError) as error:
        raise _corrupt(uri, "not a complete Arrow stream, as save_to_disk of Hugging Face's datasets writes them", error) from error


def _rows(batch: pa.RecordBatch) -> list[RowOrProblem]:
    """The rows of a batch; row by row when one is bad, because Arrow does not check that its strings are UTF-8."""
    try:
        return batch.to_pylist()  # type: ignore[no-any-return]
    except ValueError as error:
        if batch.num_rows > 1:
            return [row for number in range(batch.num_rows) for row in _rows(batch.slice(number, 1))]
        if isinstance(error, UnicodeDecodeError):
            return [f"byte {error.start} of a text is not UTF-8: write the row anew"]
        return [f"cannot be read ({error}): write the row anew"]


def _corrupt(uri: str, problem: str, error: Exception) -> DataCorruptError:
    first_line, *_ = str(error).splitlines() or [type(error).__name__]
    return DataCorruptError(f"{uri}: {problem} ({first_line}): write it anew")
