"""Tells what a file is that holds no readable content of its own: an archive, or a pointer to the file that is meant."""

from typing import NamedTuple

HEAD_BYTES = 512


class FileFormat(NamedTuple):
    """What a file is, for the sentence "this is NAME: FIX"."""

    name: str
    fix: str


_UNPACK = "unpack it"
_MAGIC = (
    (0, b"PK\x03\x04", FileFormat("a zip archive", _UNPACK)),
    (0, b"\x1f\x8b", FileFormat("a gzip archive", _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileFormat("a zstd archive", _UNPACK)),
    (4, b"1AY&SY", FileFormat("a bzip2 archive", _UNPACK)),
    (0, b"\xfd7zXZ\x00", FileFormat("an xz archive", _UNPACK)),
    # With the byte after the word: in a text, "gustar" may stand there.
    (257, b"ustar\x00", FileFormat("a tar archive", _UNPACK)),
    (257, b"ustar  \x00", FileFormat("a tar archive", _UNPACK)),
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        FileFormat("a pointer of Git LFS, not the file itself", "run `git lfs pull` where it came from"),
    ),
)


def detect_container(head: bytes) -> FileFormat | None:
    """The archive or pointer that begins with `head`, its first HEAD_BYTES; None for any other file."""
    return next((known for at, magic, known in _MAGIC if head[at:].startswith(magic)), None)
