"""The files of a data set dealt to shards: what one worker reads and encodes in one go."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from lwm_trainer.data.records.tables import row_groups
from lwm_trainer.storage.errors import DataError
from lwm_trainer.storage.files import list_files, missing, open_file
from lwm_trainer.storage.listing import Entry, Listing

SUFFIXES = (".txt", ".jsonl", ".parquet", ".arrow")
LEAST, MOST, WANTED = 2**20, 2**27, 128
"""A shard has 1 to 128 MiB of source; between these there are 128 of them. Not a worker's number: more workers, same shards."""
_SPLITS = "dataset_dict.json"
_SAVED = re.compile(r"data-\d+-of-\d+\.arrow")
_PARALLEL_FILES = 8
_BLOCK = 2**24
_ALL_GROUPS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Part:
    """A file or a part of one."""

    file: Entry
    begin: int
    end: int
    """Bytes `begin` to `end` (exclusive), which are whole lines; of parquet: row groups."""
    first: int
    """The number of its first line or row in the file, from 1."""
    size: int
    """Its bytes."""


Shard = tuple[Part, ...]


def sources(uri: str) -> Listing:
    """The files that hold records of a data set. Errors as `list_files`, and DataError for a folder of several splits."""
    found = list_files(uri, (*SUFFIXES, _SPLITS))
    if any(PurePosixPath(entry.name).name == _SPLITS for entry in found.entries):
        splits = sorted({entry.name.rpartition("/")[0] for entry in found.entries if _SAVED.fullmatch(PurePosixPath(entry.name).name)})
        raise DataError(
            f"{uri}: holds the splits {', '.join(splits)}: name one of them, as {found.root}/{splits[0] if splits else 'train'}"
        )
    alone = len(found.entries) == 1 and uri.endswith(found.entries[0].name)
    # Beside its data-*.arrow, a saved data set may hold caches of what was once computed from it.
    entries = tuple(
        each for each in found.entries if alone or not each.name.endswith(".arrow") or _SAVED.fullmatch(PurePosixPath(each.name).name)
    )
    if not entries:
        raise missing(uri, SUFFIXES)
    return replace(found, entries=entries)


def whole(listing: Listing) -> Shard:
    """All files as one shard, without a look into any."""
    return tuple(Part(entry, 0, _ALL_GROUPS if _suffix(entry) == ".parquet" else entry.size, 1, entry.size) for entry in listing.entries)


def size_of(listing: Listing) -> int:
    """Bytes of source in a shard."""
    return min(max(sum(entry.size for entry in listing.entries) // WANTED, LEAST), MOST)


def deal(listing: Listing, most: int) -> list[Shard]:
    """Shards of about `most` bytes, a pure function of the files. Files larger than that are read once to find where lines end."""
    with ThreadPoolExecutor(_PARALLEL_FILES) as pool:
        cut = pool.map(lambda entry: list(_cut(listing, entry, most)), listing.entries)
        return list(_gather((part for parts in cut for part in parts), most))


def _gather(parts: Iterator[Part], most: int) -> Iterator[Shard]:
    shard: list[Part] = []
    for part in parts:
        if shard and sum(each.size for each in shard) + part.size > most:
            yield tuple(shard)
            shard = []
        shard.append(part)
    if shard:
        yield tuple(shard)


def _suffix(entry: Entry) -> str:
    return PurePosixPath(entry.name).suffix


def _cut(listing: Listing, entry: Entry, most: int) -> Iterator[Part]:
    match _suffix(entry):
        case ".jsonl" if entry.size > most:
            yield from _cut_lines(listing, entry, most)
        case ".parquet":
            with open_file(listing, entry) as file:
                yield from _cut_groups(entry, row_groups(file, listing.uri(entry)), most)
        case _:
            yield Part(entry, 0, entry.size, 1, entry.size)


def _cut_lines(listing: Listing, entry: Entry, most: int) -> Iterator[Part]:
    """A part ends with the first line that ends at or after its size."""
    begin, first, line, place = 0, 1, 1, 0
    with open_file(listing, entry) as file:
        while block := file.read(_BLOCK):
            at = 0
            while (end := block.find(b"\n", max(begin + most - 1 - place, at))) >= 0:
                line += block.count(b"\n", at, end + 1)
                at = end + 1
                yield Part(entry, begin, place + at, first, place + at - begin)
                begin, first = place + at, line
            line += block.count(b"\n", at)
            place += len(block)
    if begin < entry.size:
        yield Part(entry, begin, entry.size, first, entry.size - begin)


def _cut_groups(entry: Entry, groups: list[tuple[int, int]], most: int) -> Iterator[Part]:
    """`groups`: rows and bytes of each row group."""
    begin, first, rows, size = 0, 1, 0, 0
    for number, (count, bytes_) in enumerate(groups):
        if number > begin and size + bytes_ > most:
            yield Part(entry, begin, number, first, size)
            begin, first, rows, size = number, first + rows, 0, 0
        rows, size = rows + count, size + bytes_
    yield Part(entry, begin, len(groups), first, size)
