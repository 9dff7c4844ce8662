"""Lists and opens files by name, folder or pattern, on disk or in Google Cloud Storage."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lwm_trainer.config import ErrorReason
from lwm_trainer.storage.errors import FileChangedError, FileMissingError, InvalidUriError, StorageDeniedError
from lwm_trainer.storage.gcs import list_objects, open_object
from lwm_trainer.storage.listing import Entry, Listing, parse_pattern

_PARALLEL_READS = 8


@dataclass(frozen=True)
class File:
    """One file's name (as in error messages) and its bytes."""

    uri: str
    content: bytes


def list_files(uri: str, suffixes: tuple[str, ...]) -> Listing:
    """The file `uri`, or all files below the folder `uri`, that end in one of `suffixes`, sorted by path; of a pattern, what it matches.

    `uri` is `gs://bucket/path` or an absolute path; `*` stands for any letters of one name, `**` for any folders. Raises FileMissingError
    or StorageMissingError when nothing is there, StorageDeniedError or StorageUnavailableError when it cannot be read.
    """
    listing = list_objects(uri, suffixes) if uri.startswith("gs://") else _list_disk(uri, suffixes)
    if not listing.entries:
        raise missing(uri, suffixes)
    return listing


def missing(uri: str, suffixes: tuple[str, ...]) -> FileMissingError:
    return FileMissingError(f"{uri}: no file ending in {' or '.join(suffixes)} is there: put the text there or correct the uri")


def read_files(uri: str, suffixes: tuple[str, ...]) -> list[File]:
    """The contents of all files that `list_files` finds; for small files."""
    listing = list_files(uri, suffixes)
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        return list(pool.map(lambda entry: File(listing.uri(entry), _read(listing, entry)), listing.entries))


def open_file(listing: Listing, entry: Entry) -> BinaryIO:
    """Open a file for sequential or random reads. Raises FileChangedError when it is not the one that was listed."""
    uri = listing.uri(entry)
    if uri.startswith("gs://"):
        return open_object(uri, entry)
    with _disk_errors(uri):
        file = Path(uri).open("rb")  # noqa: SIM115 - the caller closes it
    status = os.fstat(file.fileno())
    if (status.st_size, str(status.st_mtime_ns)) != (entry.size, entry.version):
        file.close()
        raise FileChangedError(uri)
    return file


def _read(listing: Listing, entry: Entry) -> bytes:
    with open_file(listing, entry) as file:
        return file.read()


def _list_disk(uri: str, suffixes: tuple[str, ...]) -> Listing:
    root, pattern = Path(uri), parse_pattern(uri)
    if not root.is_absolute():
        raise InvalidUriError(f"{uri!r} is neither gs://bucket/path nor an absolute path: write it as one of them")
    if pattern is not None:
        root = Path(pattern[0] or "/")
    with _disk_errors(uri):
        if not root.exists():
            raise FileMissingError(f"{uri}: no such file or folder: put the data there or correct the uri")
        paths = sorted(path for path in root.rglob("*") if path.is_file()) if root.is_dir() else [root]
        root = root if root.is_dir() else root.parent
        entries = []
        for path in paths:
            name = path.relative_to(root).as_posix()
            if name.endswith(suffixes) and (pattern is None or pattern[1].fullmatch(name)):
                status = path.stat()
                entries.append(Entry(name, status.st_size, str(status.st_mtime_ns)))
    return Listing(str(root).rstrip("/"), tuple(entries))


@contextmanager
def _disk_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise StorageDeniedError(
            f"{error.filename}: may not be read by uid {os.getuid()}: change its owner or mode", ErrorReason.CLAIM_DENIED
        ) from error
    except FileNotFoundError as error:
        raise FileMissingError(f"{error.filename or uri}: is gone since it was listed: put it back, then raise spec.resume") from error
