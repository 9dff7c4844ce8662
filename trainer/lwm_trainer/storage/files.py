"""Lists and opens files by name, folder or pattern, on disk or in Google Cloud Storage."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import BinaryIO

from lwm_trainer.storage.disk import list_disk, open_disk, require_unchanged_on_disk
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.storage.gcs import list_objects, open_object
from lwm_trainer.storage.listing import Entry, Listing

_PARALLEL_READS = 8


@dataclass(frozen=True)
class File:
    """One file's name (as in error messages) and its bytes."""

    uri: str
    content: bytes


def list_files(uri: str) -> Listing:
    """The file `uri`, or all files below the folder `uri`, sorted by path; of a pattern, what it matches.

    `uri` is `gs://bucket/path` or an absolute path; `*` stands for any letters of one name, `**` for any folders. Raises FileMissingError
    or StorageMissingError when there is no such file or bucket, StorageDeniedError or StorageUnavailableError when it cannot be read.
    """
    return list_objects(uri) if uri.startswith("gs://") else list_disk(uri)


def read_files(uri: str, suffixes: tuple[str, ...]) -> list[File]:
    """The contents of all files that `list_files` finds and that end in one of `suffixes`; for small files.

    Raises what `list_files` raises, and FileMissingError when there is none.
    """
    listing = list_files(uri)
    listing = replace(listing, entries=tuple(entry for entry in listing.entries if entry.name.endswith(suffixes)))
    if not listing.entries:
        raise FileMissingError(f"{uri}: no file ending in {' or '.join(suffixes)} is there: put it there or correct the uri")
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return list(pool.map(lambda entry: File(listing.uri(entry), _read(listing, entry)), listing.entries))


def open_file(listing: Listing, entry: Entry) -> BinaryIO:
    """Open a file for sequential or random reads. Raises FileChangedError when it is not the one that was listed."""
    uri = listing.uri(entry)
    return open_object(uri, entry) if uri.startswith("gs://") else open_disk(uri, entry)


def require_unchanged(listing: Listing, entry: Entry) -> None:
    """Raise FileChangedError for a file that was changed after it was opened. An object cannot be: its generation is read, or none."""
    uri = listing.uri(entry)
    if not uri.startswith("gs://"):
        require_unchanged_on_disk(uri, entry)


def _read(listing: Listing, entry: Entry) -> bytes:
    with open_file(listing, entry) as file:
        return file.read()
