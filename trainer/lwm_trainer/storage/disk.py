"""Lists and opens files on disk. A listing is complete, or an error says what cannot be listed."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lwm_trainer.config import ErrorReason
from lwm_trainer.storage.errors import FileChangedError, FileMissingError, InvalidUriError, StorageDeniedError, StorageError
from lwm_trainer.storage.listing import Entry, Listing, parse_pattern

_SYSTEM_FOLDERS = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}
"""Folders that file systems make at the root of a volume, and that only root may read."""


def list_disk(uri: str) -> Listing:
    """List the files of an absolute path or pattern; links are followed. Names that begin with a dot are left out below the root.

    Raises FileMissingError, StorageDeniedError, InvalidUriError, and StorageError for what no listing can be complete with.
    """
    path = Path(uri)
    if not path.is_absolute():
        raise InvalidUriError(f"{uri!r} is neither gs://bucket/path nor an absolute path: write it as one of them")
    pattern = parse_pattern(uri, os.path.lexists)
    root = path if pattern is None else Path(pattern[0] or "/")
    with disk_errors(uri):
        if not root.exists():
            raise FileMissingError(f"{uri}: no such file or folder: put the data there or correct the uri")
        if not root.is_dir():
            return Listing(str(root.parent).rstrip("/"), (_entry(root, root.name),))
        files = [file for file in _walk(root, {}) if pattern is None or pattern[1].fullmatch(file.relative_to(root).as_posix())]
        entries = [_entry(file, file.relative_to(root).as_posix()) for file in files]
        _refuse_copies(root, files)
    return Listing(str(root).rstrip("/"), tuple(sorted(entries, key=lambda entry: entry.name.split("/"))))


def _walk(folder: Path, above: dict[tuple[int, int], Path]) -> Iterator[Path]:
    """All files below a folder. `above` holds the folders that it is in, by device and number, so that a circle of links is seen."""
    status = folder.stat()
    if (circle := above.get((status.st_dev, status.st_ino))) is not None:
        raise StorageError(f"{folder}: is a link to {circle}, which it is in itself: remove the link")
    inside = above | {(status.st_dev, status.st_ino): folder}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SYSTEM_FOLDERS:
            continue
        if path.is_dir():
            yield from _walk(path, inside)
        else:
            yield path


def _entry(path: Path, name: str) -> Entry:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", errors="backslashreplace")
        raise StorageError(f"{shown}: its name is not UTF-8: rename it") from error
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink() and error.errno in (errno.ENOENT, errno.ELOOP):
            raise FileMissingError(
                f"{path}: is a link to {path.readlink()}, where nothing is: put the file there or remove the link"
            ) from error
        raise
    if not stat.S_ISREG(status.st_mode):
        raise StorageError(f"{path}: is neither a file nor a folder: move it away")
    return Entry(name, status.st_size, str(status.st_mtime_ns))


def _refuse_copies(root: Path, files: list[Path]) -> None:
    """Raise StorageError for a file that is listed twice, because a link leads to another place of the source."""
    links: dict[Path, bool] = {root: False}

    def has_link(path: Path) -> bool:
        if path not in links:
            links[path] = has_link(path.parent) or path.is_symlink()
        return links[path]

    names: dict[str, Path] = {}
    real_root = os.path.realpath(root)
    for file in files:
        real = os.path.realpath(file) if has_link(file.parent) or file.is_symlink() else f"{real_root}/{file.relative_to(root)}"
        if (other := names.setdefault(real, file)) is not file:
            raise StorageError(f"{file} and {other} are the same file, by a link: remove the link, or name one of them")


def open_disk(uri: str, entry: Entry) -> BinaryIO:
    """Open a file for reading. Raises FileChangedError when it is not the one that was listed."""
    with disk_errors(uri):
        file = Path(uri).open("rb")  # noqa: SIM115 - the caller closes it
    if not _is_listed(os.fstat(file.fileno()), entry):
        file.close()
        raise FileChangedError(uri)
    return file


def require_unchanged_on_disk(uri: str, entry: Entry) -> None:
    """Raise FileChangedError for a file that was written to since it was listed, also by a writer that keeps it open."""
    with disk_errors(uri):
        status = Path(uri).stat()
    if not _is_listed(status, entry):
        raise FileChangedError(uri)


def _is_listed(status: os.stat_result, entry: Entry) -> bool:
    return (status.st_size, str(status.st_mtime_ns)) == (entry.size, entry.version)


@contextmanager
def disk_errors(uri: str) -> Iterator[None]:
    """Turn errors of the system into StorageDeniedError and FileMissingError."""
    try:
        yield
    except PermissionError as error:
        raise StorageDeniedError(
            f"{error.filename}: may not be read by uid {os.getuid()}: change its owner or mode", ErrorReason.CLAIM_DENIED
        ) from error
    except FileNotFoundError as error:
        raise FileMissingError(f"{error.filename or uri}: is gone since it was listed: put it back, then raise spec.resume") from error
