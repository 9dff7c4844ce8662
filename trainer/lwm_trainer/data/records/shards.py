"""The files of a data set cut into shards: what one worker reads and encodes at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lwm_trainer.data.records.decompress import decompress
from lwm_trainer.data.records.source_files import file_format
from lwm_trainer.data.records.tables import row_groups
from lwm_trainer.storage.files import open_file
from lwm_trainer.storage.listing import Entry, Listing

MIN_SHARD_BYTES, MAX_SHARD_BYTES, SHARD_COUNT = 2**20, 2**27, 128
"""A shard has 1 to 128 MiB of source; between these bounds there are 128 shards. The number of workers does not change the shards."""
MEDIA_SHARD_BYTES = 2**13
"""Instead of the least: records that name files have about a hundred bytes each."""
_PARALLEL_FILES = 8
_BLOCK = 2**24
_TO_THE_END = 2**62
"""End of a file whose lines or row groups are not counted yet."""


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file, or a part of one. The field names are those of the shard plan's JSON file."""

    file: Entry
    begin: int
    end: int
    """Bytes `begin` to `end` (exclusive), which are whole lines; of a compressed file, bytes of its content; row groups for parquet."""
    first: int
    """Number of its first line or row in the file, from 1."""
    size: int
    """Bytes."""


Shard = tuple[FilePart, ...]


def single_shard(listing: Listing) -> Shard:
    """All files as one shard, without opening any of them."""
    return tuple(FilePart(entry, 0, _end(entry), 1, entry.size) for entry in listing.entries)


def shard_bytes(listing: Listing, *, media: bool) -> int:
    """Bytes of source that a shard of this data set should have; few where its records name pictures or clips, which are the work."""
    smallest = MEDIA_SHARD_BYTES if media else MIN_SHARD_BYTES
    return min(max(sum(entry.size for entry in listing.entries) // SHARD_COUNT, smallest), MAX_SHARD_BYTES)


def cut_shards(listing: Listing, max_bytes: int) -> list[Shard]:
    """Shards of about `max_bytes`, a pure function of the files. Larger `.jsonl` files are read once to find where lines end."""
    with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
        parts_by_file = pool.map(lambda entry: list(_cut_file(listing, entry, max_bytes)), listing.entries)
        return list(_gather((part for parts in parts_by_file for part in parts), max_bytes))


def _gather(parts: Iterator[FilePart], max_bytes: int) -> Iterator[Shard]:
    shard: list[FilePart] = []
    size = 0
    for part in parts:
        if shard and size + part.size > max_bytes:
            yield tuple(shard)
            shard, size = [], 0
        shard.append(part)
        size += part.size
    if shard:
        yield tuple(shard)


def _end(entry: Entry) -> int:
    """The end of a file that is one part."""
    suffix, compression = file_format(entry.name) or ("", None)
    return _TO_THE_END if suffix == ".parquet" or compression else entry.size


def _cut_file(listing: Listing, entry: Entry, max_bytes: int) -> Iterator[FilePart]:
    suffix, compression = file_format(entry.name) or ("", None)
    if suffix == ".jsonl" and (compression or entry.size > max_bytes):
        with open_file(listing, entry) as file:
            blocks = decompress(listing.uri(entry), file, compression) if compression else iter(lambda: file.read(_BLOCK), b"")
            yield from _cut_lines(entry, blocks, max_bytes)
    elif suffix == ".parquet":
        with open_file(listing, entry) as file:
            yield from _cut_row_groups(entry, row_groups(file, listing.uri(entry)), max_bytes)
    else:
        yield FilePart(entry, 0, _end(entry), 1, entry.size)


def _cut_lines(entry: Entry, blocks: Iterator[bytes], max_bytes: int) -> Iterator[FilePart]:
    """Cut the content of a `.jsonl` file: a part ends with the first line that ends at or after `max_bytes`."""
    begin, first, line, block_begin = 0, 1, 1, 0
    for block in blocks:
        cursor = 0
        while (newline := block.find(b"\n", max(begin + max_bytes - 1 - block_begin, cursor))) >= 0:
            line += block.count(b"\n", cursor, newline + 1)
            cursor = newline + 1
            yield FilePart(entry, begin, block_begin + cursor, first, block_begin + cursor - begin)
            begin, first = block_begin + cursor, line
        line += block.count(b"\n", cursor)
        block_begin += len(block)
    if begin < block_begin:
        yield FilePart(entry, begin, block_begin, first, block_begin - begin)


def _cut_row_groups(entry: Entry, groups: list[tuple[int, int]], max_bytes: int) -> Iterator[FilePart]:
    """Cut a parquet file between row groups; `groups` holds rows and bytes of each."""
    begin, first, rows, size = 0, 1, 0, 0
    for number, (group_rows, group_bytes) in enumerate(groups):
        if number > begin and size + group_bytes > max_bytes:
            yield FilePart(entry, begin, number, first, size)
            begin, first, rows, size = number, first + rows, 0, 0
        rows, size = rows + group_rows, size + group_bytes
    yield FilePart(entry, begin, len(groups), first, size)
