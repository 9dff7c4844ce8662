"""Records of files one after the other, whatever the size of these; what is no record is told with file and line."""

import json
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from lwm_trainer.data.records.record import Record
from lwm_trainer.data.records.shards import Part, Shard
from lwm_trainer.data.records.tables import arrow_rows, parquet_rows
from lwm_trainer.storage.files import open_file
from lwm_trainer.storage.listing import Listing

_OPEN_AHEAD = 8


@dataclass(frozen=True, slots=True)
class BadRecord:
    """What makes no record, or no example."""

    uri: str
    line: int
    why: str
    """What is wrong and the fix."""

    def __str__(self) -> str:
        return f"{place(self.uri, self.line)}: {self.why}"


def place(uri: str, line: int) -> str:
    """How messages name a record: a `.txt` file is one, of others its line or row counts from 1."""
    return uri if uri.endswith(".txt") else f"{uri}:{line}"


def records(listing: Listing, shard: Shard) -> Iterator[Record | BadRecord]:
    """In the order of files and lines. Blank lines of `.jsonl` are none. Raises DataCorruptError for a table that cannot be read at all."""
    with ThreadPoolExecutor(_OPEN_AHEAD) as pool, closing(_opened(listing, shard, pool)) as opened:
        for part, file in opened:
            with closing(file):
                yield from _records(listing.uri(part.file), part, file)


def _opened(listing: Listing, shard: Shard, pool: ThreadPoolExecutor) -> Generator[tuple[Part, BinaryIO], None, None]:
    """Of many small objects in a bucket, the next ones are on their way while one is encoded."""
    parts = iter(shard)
    ahead: list[tuple[Part, Future[BinaryIO]]] = []
    try:
        while True:
            ahead.extend((part, pool.submit(open_file, listing, part.file)) for part in islice(parts, _OPEN_AHEAD - len(ahead)))
            if not ahead:
                return
            part, file = ahead.pop(0)
            yield part, file.result()
    finally:
        for _, file in ahead:
            if not file.cancel() and file.exception() is None:
                file.result().close()


def _records(uri: str, part: Part, file: BinaryIO) -> Iterator[Record | BadRecord]:
    match PurePosixPath(uri).suffix:
        case ".txt":
            text = _decode(file.read())
            yield BadRecord(uri, 1, text) if isinstance(text, _Wrong) else Record(uri, 1, 1, {"text": text})
        case ".jsonl":
            for number, line in enumerate(_lines(file, part), start=part.first):
                if line.strip():
                    found = _object(line)
                    yield BadRecord(uri, number, found) if isinstance(found, str) else Record(uri, number, number, found)
        case suffix:
            rows = parquet_rows(file, uri, part.begin, part.end) if suffix == ".parquet" else arrow_rows(file, uri)
            for number, row in enumerate(rows, start=part.first):
                yield BadRecord(uri, number, row) if isinstance(row, str) else Record(uri, number, number, row)


def _lines(file: BinaryIO, part: Part) -> Iterator[bytes]:
    file.seek(part.begin)
    left = part.end - part.begin
    while left > 0 and (line := file.readline()):
        left -= len(line)
        yield line.rstrip(b"\r\n")


class _Wrong(str):
    """What is wrong, where a text is expected."""


def _decode(content: bytes) -> str | _Wrong:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        return _Wrong(f"byte {error.start} is not UTF-8: save the file as UTF-8")


def _object(line: bytes) -> dict[str, Any] | str:
    """The object, or what is wrong with the line."""
    text = _decode(line)
    if isinstance(text, _Wrong):
        return text
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return f"not JSON ({error.msg} at column {error.colno}): write one object a line"
    except (RecursionError, ValueError) as error:  # nested too deeply; a number of thousands of digits
        return f"not JSON that can be read ({error}): write one object a line"
    if not isinstance(found, dict):
        return f'{_NAMES.get(type(found), "null")} and no object: write one object a line, such as {{"text": "…"}}'
    if b"\\u" in line:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "half of a surrogate pair (\\ud800 to \\udfff), which is no letter: write it as UTF-8 or as a whole pair"
    return found


_NAMES = {list: "a list", str: "a text", bool: "a boolean", int: "a number", float: "a number"}
