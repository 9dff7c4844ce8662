"""Reads the records of a shard one after the other; memory does not grow with the size of files."""

import json
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.data.records.shards import FilePart, Shard
from lwm_trainer.data.records.tables import arrow_rows, parquet_rows
from lwm_trainer.storage.files import open_file
from lwm_trainer.storage.listing import Listing

_OPEN_AHEAD = 8


def read_records(listing: Listing, shard: Shard) -> Iterator[Record | BadRecord]:
    """Yield the shard's records in the order of files and lines; blank lines of `.jsonl` are skipped.

    Raises DataCorruptError for a table that cannot be read at all.
    """
    with ThreadPoolExecutor(_OPEN_AHEAD) as pool, closing(_open_ahead(listing, shard, pool)) as opened:
        for part, file in opened:
            with closing(file):
                yield from _read_part(listing.uri(part.file), part, file)


def _open_ahead(listing: Listing, shard: Shard, pool: ThreadPoolExecutor) -> Generator[tuple[FilePart, BinaryIO], None, None]:
    """Open the next files while one is read: a bucket of many small objects is bound by latency."""
    parts = iter(shard)
    pending: list[tuple[FilePart, Future[BinaryIO]]] = []
    try:
        while True:
            pending.extend((part, pool.submit(open_file, listing, part.file)) for part in islice(parts, _OPEN_AHEAD - len(pending)))
            if not pending:
                return
            part, file = pending.pop(0)
            yield part, file.result()
    finally:
        for _, file in pending:
            if not file.cancel() and file.exception() is None:
                file.result().close()


def _read_part(uri: str, part: FilePart, file: BinaryIO) -> Iterator[Record | BadRecord]:
    match PurePosixPath(uri).suffix:
        case ".txt":
            text = _decode(file.read())
            yield BadRecord(uri, 1, text) if isinstance(text, _Problem) else Record(uri, 1, 1, {"text": text})
        case ".jsonl":
            for number, line in enumerate(_lines(file, part), start=part.first):
                if line.strip():
                    fields = _parse_object(line)
                    yield BadRecord(uri, number, fields) if isinstance(fields, str) else Record(uri, number, number, fields)
        case suffix:
            rows = parquet_rows(file, uri, part.begin, part.end) if suffix == ".parquet" else arrow_rows(file, uri)
            for number, row in enumerate(rows, start=part.first):
                yield BadRecord(uri, number, row) if isinstance(row, str) else Record(uri, number, number, row)


def _lines(file: BinaryIO, part: FilePart) -> Iterator[bytes]:
    file.seek(part.begin)
    remaining = part.end - part.begin
    while remaining > 0 and (line := file.readline()):
        remaining -= len(line)
        yield line.rstrip(b"\r\n")


class _Problem(str):
    """What is wrong, returned in place of a text."""


def _decode(content: bytes) -> str | _Problem:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _Problem(f"byte {error.start} is not UTF-8: save the file as UTF-8")


def _parse_object(line: bytes) -> dict[str, Any] | str:
    """The JSON object, or what is wrong with the line."""
    text = _decode(line)
    if isinstance(text, _Problem):
        return text
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON ({error.msg} at column {error.colno}): write one object a line"
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        return f"not JSON that can be read ({error}): write one object a line"
    if not isinstance(value, dict):
        return f'{_JSON_TYPES.get(type(value), "null")} and no object: write one object a line, such as {{"text": "…"}}'
    if b"\\u" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "half of a surrogate pair (\\ud800 to \\udfff), which is no letter: write it as UTF-8 or as a whole pair"
    return value


_JSON_TYPES = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
