"""Samples of WebDataset's tar files: files whose paths are the same up to the first dot of the name are one sample.

The format is that of https://github.com/webdataset/webdataset. Of a sample's files, a `.json` is an object whose keys become fields of
the record. Every other file is a field by its suffix: a `.txt` as text, a picture or clip as Hugging Face's `{bytes, path}`, any other as
bytes. The field `media` is the sample's picture or clip whatever its suffix, or of several the list of them.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.source_files import MEDIA_SUFFIXES
from lwm_trainer.data.records.unique_keys import DuplicateKeyError, unique_keys
from lwm_trainer.data.records.unreadable_file import unreadable_file

KEY, MEDIA = "__key__", "media"
"""Fields that every sample has, and that samples with pictures or clips have."""
MAX_FILE_BYTES = 2**28
"""Bytes of a file of a sample, which is read at once."""
_COPY_AGAIN = "copy it again or leave it out"


class BadSampleError(Exception):
    """A sample is no record: says what is wrong and the fix."""


@dataclass
class Sample:
    """The files of a sample, or why they are no record."""

    key: str
    fields: dict[str, Any]
    size: int = 0
    """Bytes of its files."""
    problem: str | None = None
    media: list[dict[str, Any]] = field(default_factory=list)


def tar_samples(file: BinaryIO, uri: str) -> Iterator[Sample]:
    """Yield the samples of a tar file in their order; one sample is in memory. Raises DataCorruptError for a file that is damaged."""
    sample: Sample | None = None
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep all of them
                key, suffix = _split(member.name)
                if member.isdir() or not key:
                    continue
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield _finished(sample)
                    sample = Sample(key, {KEY: key})
                sample.size += member.size
                try:
                    _add(sample, suffix, member, tar, uri)
                except BadSampleError as error:
                    sample.problem = sample.problem or str(error)
            end = tar.offset
        _require_end(file, uri, end)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise unreadable_file(uri, file, "not a complete tar file", error, _COPY_AGAIN, "tar") from error
    if sample is not None:
        yield _finished(sample)


def _split(path: str) -> tuple[str, str]:
    """The key and the suffix of a file in a tar file. The key of what is no data, such as `._1.jpg` of macOS, is empty."""
    folder, slash, name = path.removeprefix("./").rpartition("/")
    stem, _, suffix = name.partition(".")
    return (f"{folder}{slash}{stem}" if stem else ""), suffix.lower()


def _add(sample: Sample, suffix: str, member: tarfile.TarInfo, tar: tarfile.TarFile, uri: str) -> None:
    """Add a file to its sample. Raises BadSampleError."""
    if not suffix:
        raise BadSampleError(f"the file {member.name!r} has no suffix: name it by what it holds, such as {member.name}.txt")
    if not member.isreg():
        raise BadSampleError(f"{member.name!r} is a link or no file: put the file itself into the tar file")
    if member.size > MAX_FILE_BYTES:
        raise BadSampleError(
            f"the file {member.name!r} has more than {MAX_FILE_BYTES} bytes: put it beside the tar files, and name its path"
        )
    opened = tar.extractfile(member)
    content = opened.read() if opened is not None else b""
    if len(content) != member.size:
        raise DataCorruptError(f"{uri}: ends in the middle of its file {member.name!r}: {_COPY_AGAIN}")
    if suffix == "json":
        _set_all(sample, _object(member.name, content))
    elif suffix == "txt":
        _set_all(sample, {suffix: _text(member.name, content)})
    elif f".{suffix}".endswith(MEDIA_SUFFIXES):
        value = {"bytes": content, "path": member.name}
        sample.media.append(value)
        _set_all(sample, {suffix: value})
    else:
        _set_all(sample, {suffix: content})


def _set_all(sample: Sample, fields: dict[str, Any]) -> None:
    if twice := sorted(fields.keys() & (sample.fields.keys() | {MEDIA})):
        raise BadSampleError(f"two fields would have the name {twice[0]!r} (of keys in .json and suffixes of files): rename one of them")
    sample.fields |= fields


def _object(name: str, content: bytes) -> dict[str, Any]:
    text = _text(name, content)
    try:
        value = json.loads(text, object_pairs_hook=unique_keys)
    except DuplicateKeyError as error:
        raise BadSampleError(f"{name!r}: the key {error.key!r} is there twice in one object: keep one of them") from error
    except (ValueError, RecursionError) as error:
        raise BadSampleError(f"{name!r}: not JSON that can be read ({error}): write one object") from error
    if not isinstance(value, dict):
        raise BadSampleError(f"{name!r}: holds no JSON object: write one, such as {{'caption': '…'}}")
    return value


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadSampleError(f"{name!r}: byte {error.start} is not UTF-8: save the file as UTF-8") from error


def _finished(sample: Sample) -> Sample:
    if sample.media:
        sample.fields[MEDIA] = sample.media[0] if len(sample.media) == 1 else sample.media
    return sample


def _require_end(file: BinaryIO, uri: str, end: int) -> None:
    """Raise DataCorruptError unless a block of zeros stands at byte `end`: tarfile takes any block that is no header for the end."""
    file.seek(end)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise DataCorruptError(f"{uri}: has neither a file nor its end at byte {end}: it is damaged or cut off: {_COPY_AGAIN}")
