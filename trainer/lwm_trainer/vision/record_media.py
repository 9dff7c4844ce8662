"""The pictures of a record: its field holds a path, the bytes of a file, Hugging Face's `{bytes, path}`, or a list of these as a clip."""

import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.encoding.field_language import field_value, json_type
from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.storage.errors import FileMissingError
from lwm_trainer.storage.files import list_files, open_file
from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling, choose_evenly

Frame = NDArray[np.uint8]
"""[size, size, 3]."""


def record_frames(record: Record, field: str, size: int, sampling: Sampling) -> Iterator[Frame]:
    """Yield the frames of a record's picture, clip, or list of pictures, as `sampling` chooses them.

    Raises BadRecordError, such as MediaError, for a value that is none of these, and for a file that is missing or broken.
    """
    value = field_value(field, record.fields)
    if isinstance(value, list):
        yield from _listed_frames(value, record, field, size, sampling)
        return
    name, file = _open(value, record, f"field {field!r}")
    with closing(file):
        yield from read_media(file, name, size, sampling)


def _listed_frames(values: Sequence[Any], record: Record, field: str, size: int, sampling: Sampling) -> Iterator[Frame]:
    """A frame of each picture. A list has no times, so of `sampling` only the number of frames counts."""
    if not values:
        raise BadRecordError(f"field {field!r} holds an empty list: write at least one picture or leave the record out")
    for place in choose_evenly(len(values), sampling.max_frames):
        name, file = _open(values[place], record, f"field {field!r}, picture {place + 1}")
        with closing(file):
            frames = read_media(file, name, size, Sampling())
            yield next(frames)
            if next(frames, None) is not None:
                raise MediaError(f"{name}: has several frames, but a list is of pictures: write the clip by itself, without a list")


def _open(value: Any, record: Record, where: str) -> tuple[str, BinaryIO]:
    """The name of a file for messages, and the file, open."""
    if isinstance(value, dict) and value and value.keys() <= {"bytes", "path"}:  # an image column of Hugging Face's datasets
        content, path = value.get("bytes"), value.get("path")
        if content is None and path is None:
            raise BadRecordError(f"{where} has neither bytes nor a path: write one of them or leave the record out")
        if isinstance(content, bytes):
            return (where if path is None else f"{where} ({path})"), io.BytesIO(content)
        value = path if content is None else content
    if isinstance(value, bytes):
        return where, io.BytesIO(value)
    if not isinstance(value, str):
        raise BadRecordError(f"{where} holds {json_type(value)}, not a path or bytes: write a path such as 'pictures/1.jpg'")
    return _open_path(value, record, where)


def _open_path(path: str, record: Record, where: str) -> tuple[str, BinaryIO]:
    """The address of a file below the folder of the record's own file, and the file, open."""
    parts = path.split("/")
    if not path or "://" in path or ".." in parts or "" in parts or "*" in path:
        raise BadRecordError(f"{where} holds {path!r}: write a path relative to the record's file, without '..' and '*'")
    uri = f"{record.uri.rpartition('/')[0]}/{path}"
    try:
        listing = list_files(uri)
    except FileMissingError as error:
        raise BadRecordError(f"{where} names {uri}, where no file is: put it there or correct the path") from error
    if len(listing.entries) != 1 or listing.uri(listing.entries[0]) != uri:
        raise BadRecordError(f"{where} names {uri}, which is no file: name one picture or clip")
    return uri, open_file(listing, listing.entries[0])
