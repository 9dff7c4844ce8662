"""Reads the records of a shard one after the other; memory does not grow with the size of files."""

import json
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Any, BinaryIO

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.decompress import decompress, lines_from
from lwm_trainer.data.records.record import BadRecord, Record
from lwm_trainer.data.records.shards import FilePart, Shard
from lwm_trainer.data.records.source_files import FileFormat, file_format
from lwm_trainer.data.records.tables import arrow_rows, parquet_rows
from lwm_trainer.data.records.unique_keys import DuplicateKeyError, unique_keys
from lwm_trainer.data.records.webdataset import tar_samples
from lwm_trainer.storage.file_format import HEAD_BYTES, detect_container
from lwm_trainer.storage.files import open_file, require_unchanged
from lwm_trainer.storage.listing import Listing

_OPEN_AHEAD = 8


def read_records(listing: Listing, shard: Shard) -> Iterator[Record | BadRecord]:
    """Yield the shard's records in the order of files and lines; blank lines of `.jsonl` are skipped.

    Raises DataCorruptError for a table that cannot be read at all, and FileChangedError for a file that is not the one that was listed.
    """
    with ThreadPoolExecutor(_OPEN_AHEAD) as pool, closing(_open_ahead(listing, shard, pool)) as opened:
        for part, file in opened:
            try:
                with closing(file):
                    yield from _read_part(listing.uri(part.file), part, file)
            except DataCorruptError:
                require_unchanged(listing, part.file)  # who copies a file while it is read is told that, not of damage
                raise
            require_unchanged(listing, part.file)


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
    name = part.file.name
    suffix, compression = file_format(name) or FileFormat("", None)
    match suffix:
        case ".txt":
            content = b"".join(_decompressed(uri, file, compression))
            text = _decode(_without_mark(uri, content), 0)
            yield BadRecord(uri, 1, text) if isinstance(text, _Problem) else Record(uri, 1, 1, {"text": text}, len(content), name)
        case ".jsonl":
            for number, (begin, line) in enumerate(_lines(uri, file, part, compression), start=part.first):
                if line.strip():
                    fields = _parse_object(_without_mark(uri, line) if begin == 0 else line, begin)
                    yield (
                        BadRecord(uri, number, fields) if isinstance(fields, str) else Record(uri, number, number, fields, len(line), name)
                    )
        case ".tar":
            for number, sample in enumerate(tar_samples(file, uri), start=part.first):
                if sample.problem is not None:
                    yield BadRecord(uri, number, f"sample {sample.key!r}: {sample.problem}")
                else:
                    yield Record(uri, number, number, sample.fields, sample.size, name)
        case _:
            rows = parquet_rows(file, uri, part.begin, part.end) if suffix == ".parquet" else arrow_rows(file, uri)
            for number, row in enumerate(rows, start=part.first):
                yield Record(uri, number, number, row, row.size, name)


def _lines(uri: str, file: BinaryIO, part: FilePart, compression: str | None) -> Iterator[tuple[int, bytes]]:
    """The lines of a part, each with the byte of the (decompressed) file at which it begins."""
    begin = part.begin
    if compression is None:
        file.seek(begin)
        lines: Iterator[bytes] = iter(file.readline, b"")
    else:
        lines = lines_from(decompress(uri, file, compression), begin)
    for line in lines:
        if begin >= part.end:
            return
        yield begin, line.rstrip(b"\r\n")
        begin += len(line)


def _decompressed(uri: str, file: BinaryIO, compression: str | None) -> Iterator[bytes]:
    return iter((file.read(),)) if compression is None else decompress(uri, file, compression)


_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}


def _without_mark(uri: str, content: bytes) -> bytes:
    """The content of a file, or of its first line, without UTF-8's byte order mark.

    Raises DataCorruptError for UTF-16 and UTF-32, and for an archive or a pointer, also inside of a compressed file.
    """
    if (container := detect_container(content[:HEAD_BYTES])) is not None:
        raise DataCorruptError(f"{uri}: its content is {container.name}: {container.fix}")
    for mark, name in _OTHER_MARKS.items():
        if content.startswith(mark):
            raise DataCorruptError(f"{uri}: is {name}, by the byte order mark at byte 0: save the file as UTF-8")
    head = content[:64]
    if len(head) > 3 and (_are_high_bytes(head[::2]) or _are_high_bytes(head[1::2])):
        raise DataCorruptError(
            f"{uri}: every second byte from byte 0 on is zero or another control character, as in UTF-16 without a byte order mark: save it"
            " as UTF-8"
        )
    return content.removeprefix(_MARK)


def _are_high_bytes(every_second: bytes) -> bool:
    """Whether these are the high bytes of UTF-16 below U+2000, the alphabets; a dash or a quotation mark in between is above."""
    control = [byte for byte in every_second if byte < 0x20]
    return len(control) >= 0.9 * len(every_second) and any(byte not in b"\t\n\r" for byte in control)


class _Problem(str):
    """What is wrong, returned in place of a text."""


def _decode(content: bytes, begin: int) -> str | _Problem:
    """`content` is that of the file from byte `begin` on."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = content[error.start]
        latin = f" (in Latin-1 it is {chr(byte)!r})" if chr(byte).isprintable() else ""
        return _Problem(f"byte {begin + error.start} of the file, 0x{byte:02X}, is not UTF-8{latin}: save the file as UTF-8")


def _parse_object(line: bytes, begin: int) -> dict[str, Any] | str:
    """The JSON object, or what is wrong with the line."""
    text = _decode(line, begin)
    if isinstance(text, _Problem):
        return text
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        return f"not JSON ({error.msg} at column {error.colno}): write one object a line"
    except DuplicateKeyError as error:
        return f"the key {error.key!r} is there twice in one object: keep one of them"
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
