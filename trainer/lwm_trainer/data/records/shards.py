"""The files of a data set cut into shards: what one worker reads and encodes at a time."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lwm_trainer.data.errors import DataError
from lwm_trainer.data.records.tables import row_groups
from lwm_trainer.storage.files import list_files, missing, open_file
from lwm_trainer.storage.listing import Entry, Listing

SUFFIXES = (".txt", ".jsonl", ".parquet", ".arrow")
MIN_SHARD_BYTES, MAX_SHARD_BYTES, SHARD_COUNT = 2**20, 2**27, 128
"""A shard has 1 to 128 MiB of source; between these bounds there are 128 shards. The number of workers does not change the shards."""
_SPLITS = "dataset_dict.json"
_SAVED = re.compile(r"data-\d+-of-\d+\.arrow")
_PARALLEL_FILES = 8
_BLOCK = 2**24
_ALL_GROUPS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file, or a part of one. The field names are those of the shard plan's JSON file."""

    file: Entry
    begin: int
    end: int
    """Bytes `begin` to `end` (exclusive), which are whole lines; row groups for parquet."""
    first: int
    """Number of its first line or row in the file, from 1."""
    size: int
    """Bytes."""


Shard = tuple[FilePart, ...]


def list_record_files(uri: str) -> Listing:
    """List the files that hold records of a data set. Raises what `list_files` raises, and DataError for a folder of several splits."""
    listing = list_files(uri, (*SUFFIXES, _SPLITS))
    if any(PurePosixPath(entry.name).name == _SPLITS for entry in listing.entries):
        splits = sorted({entry.name.rpartition("/")[0] for entry in listing.entries if _SAVED.fullmatch(PurePosixPath(entry.name).name)})
        raise DataError(
            f"{uri}: holds the splits {', '.join(splits)}: name one of them, as {listing.root}/{splits[0] if splits else 'train'}"
        )
    is_file = len(listing.entries) == 1 and uri.endswith(listing.entries[0].name)
    # Beside its data-*.arrow, a saved data set may hold caches of what was once computed from it.
    entries = tuple(
        entry
        for entry in listing.entries
        if is_file or not entry.name.endswith(".arrow") or _SAVED.fullmatch(PurePosixPath(entry.name).name)
    )
    if not entries:
        raise missing(uri, SUFFIXES)
    return replace(listing, entries=entries)


def single_shard(listing: Listing) -> Shard:
    """All files as one shard, without opening any of them."""
    return tuple(
        FilePart(entry, 0, _ALL_GROUPS if _suffix(entry) == ".parquet" else entry.size, 1, entry.size) for entry in listing.entries
    )


def shard_bytes(listing: Listing) -> int:
    """Bytes of source that a shard of this data set should have."""
    return min(max(sum(entry.size for entry in listing.entries) // SHARD_COUNT, MIN_SHARD_BYTES), MAX_SHARD_BYTES)


def cut_shards(listing: Listing, max_bytes: int) -> list[Shard]:
    """Shards of about `max_bytes`, a pure function of the files. Larger `.jsonl` files are read once to find where lines end."""
    with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
        parts_by_file = pool.map(lambda entry: list(_cut_file(listing, entry, max_bytes)), listing.entries)
        return list(_gather((part for parts in parts_by_file for part in parts), max_bytes))


def _gather(parts: Iterator[FilePart], max_bytes: int) -> Iterator[Shard]:
    shard: list[FilePart] = []
    for part in parts:
        if shard and sum(each.size for each in shard) + part.size > max_bytes:
            yield tuple(shard)
            shard = []
        shard.append(part)
    if shard:
        yield tuple(shard)


def _suffix(entry: Entry) -> str:
    return PurePosixPath(entry.name).suffix


def _cut_file(listing: Listing, entry: Entry, max_bytes: int) -> Iterator[FilePart]:
    match _suffix(entry):
        case ".jsonl" if entry.size > max_bytes:
            yield from _cut_lines(listing, entry, max_bytes)
        case ".parquet":
            with open_file(listing, entry) as file:
                yield from _cut_row_groups(entry, row_groups(file, listing.uri(entry)), max_bytes)
        case _:
            yield FilePart(entry, 0, entry.size, 1, entry.size)


def _cut_lines(listing: Listing, entry: Entry, max_bytes: int) -> Iterator[FilePart]:
    """Cut a `.jsonl` file: a part ends with the first line that ends at or after `max_bytes`."""
    begin, first, line, block_begin = 0, 1, 1, 0
    with open_file(listing, entry) as file:
        while block := file.read(_BLOCK):
            cursor = 0
            while (newline := block.find(b"\n", max(begin + max_bytes - 1 - block_begin, cursor))) >= 0:
                line += block.count(b"\n", cursor, newline + 1)
                cursor = newline + 1
                yield FilePart(entry, begin, block_begin + cursor, first, block_begin + cursor - begin)
                begin, first = block_begin + cursor, line
            line += block.count(b"\n", cursor)
            block_begin += len(block)
    if begin < entry.size:
        yield FilePart(entry, begin, entry.size, first, entry.size - begin)


def _cut_row_groups(entry: Entry, groups: list[tuple[int, int]], max_bytes: int) -> Iterator[FilePart]:
    """Cut a parquet file between row groups; `groups` holds rows and bytes of each."""
    begin, first, rows, size = 0, 1, 0, 0
    for number, (group_rows, group_bytes) in enumerate(groups):
        if number > begin and size + group_bytes > max_bytes:
            yield FilePart(entry, begin, number, first, size)
            begin, first, rows, size = number, first + rows, 0, 0
        rows, size = rows + group_rows, size + group_bytes
    yield FilePart(entry, begin, len(groups), first, size)
