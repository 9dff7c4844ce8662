"""Reads compressed files as a stream of blocks; of several members or frames in one file, all are read."""

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.unreadable_file import unreadable_file

_BLOCK = 2**20


def decompress(uri: str, file: BinaryIO, compression: str) -> Iterator[bytes]:
    """Yield the content of a `gzip` or `zstd` file in blocks of at most 1 MiB. Raises DataCorruptError."""
    if not file.read(1):
        raise DataCorruptError(f"{uri}: is empty, and even of nothing a {compression} file has bytes: compress or copy it again")
    file.seek(0)
    try:
        stream = pa.CompressedInputStream(file, compression)
        while block := stream.read(_BLOCK):
            yield block
    except (pa.ArrowException, OSError) as error:
        problem, fix = f"not a complete {compression} file", "compress or copy it again"
        raise unreadable_file(uri, file, problem, error, fix, compression) from error


def lines_from(blocks: Iterator[bytes], begin: int) -> Iterator[bytes]:
    """Yield the lines, each with its end, from byte `begin` on, at which a line begins."""
    rest: list[bytes] = []
    for block in blocks:
        if begin >= len(block):
            begin -= len(block)
            continue
        *lines, last = block[begin:].split(b"\n")
        begin = 0
        for line in lines:
            yield b"".join((*rest, line, b"\n"))
            rest = []
        if last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
