"""Files of this machine's disk: made to lie there, forgotten by the page cache, read and written with nothing else done.

Cold means that the kernel's cache of these files is emptied (POSIX_FADV_DONTNEED, which needs no root). What a disk or a hypervisor below
it keeps is out of reach, so that what is read from "disk" may come from their memory: for all alike.
"""

import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 8 * 2**20


def files(path: Path) -> Iterator[Path]:
    """The file, or all files of the folder."""
    yield from (file for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file())


def size(path: Path) -> int:
    """Bytes of the file, or of all files of the folder."""
    return sum(file.stat().st_size for file in files(path))


def settle(path: Path) -> None:
    """Wait until everything lies on the disk."""
    for member in files(path):
        with member.open("rb+") as file:
            os.fsync(file.fileno())


def forget(path: Path) -> None:
    """Drop it from the page cache: the next read has to ask the disk."""
    settle(path)
    for member in files(path):
        with member.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read(path: Path) -> None:
    """All bytes, in order, into one small buffer."""
    block = memoryview(bytearray(BLOCK))
    for member in files(path):
        with member.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass


def write(path: Path, count: int) -> None:
    """So many bytes, in order, of noise, and wait until they lie on the disk."""
    block = os.urandom(min(BLOCK, count))
    with path.open("wb", buffering=0) as file:
        for at in range(0, count, len(block)):
            file.write(block[: count - at])
        os.fsync(file.fileno())
