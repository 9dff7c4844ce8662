"""`lwm vision encode`: files of pictures and clips become JSON lines of codes, ready for data sets of kind vision."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.data.records.record import BadRecordError
from lwm_trainer.data.records.source_files import MEDIA_SUFFIXES
from lwm_trainer.storage.files import list_files, open_file
from lwm_trainer.storage.listing import Entry, Listing
from lwm_trainer.vision.encode_media import encode_media
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.tokenizer import VisionTokenizer


@dataclass
class EncodeCounts:
    """What became of the files."""

    files: int = 0
    frames: int = 0
    skipped: int = 0


def media_files(uris: Sequence[str]) -> list[tuple[Listing, Entry]]:
    """The files, and all files below folders whose names end as those of pictures and clips do.

    Raises DataMissingError where there is none, and the errors of storage.
    """
    listed: list[tuple[Listing, Entry]] = []
    for uri in uris:
        listing = list_files(uri)
        is_file = len(listing.entries) == 1 and uri.endswith(listing.entries[0].name)
        entries = [entry for entry in listing.entries if is_file or entry.name.lower().endswith(MEDIA_SUFFIXES)]
        if not entries:
            raise DataMissingError(f"{uri}: no file there ends in {', '.join(MEDIA_SUFFIXES)}: name a file or another folder")
        listed += [(listing, entry) for entry in entries]
    return listed


def encode_files(
    tokenizer: VisionTokenizer,
    listed: Sequence[tuple[Listing, Entry]],
    sampling: Sampling,
    on_bad_file: Literal["fail", "skip"],
    out: TextIO,
) -> EncodeCounts:
    """Write a line for each file: its name as `media` and the codes of its frames, one after the other, as `vision`.

    A file that cannot be used is printed and counted, or, where the policy is to fail, raises DataCorruptError.
    """
    counts = EncodeCounts()
    frames = (_frames(listing, entry, tokenizer.config.image_size, sampling) for listing, entry in listed)
    for (_, entry), codes in zip(listed, encode_media(tokenizer, frames), strict=True):
        if isinstance(codes, BadRecordError):
            if on_bad_file == "fail":
                raise DataCorruptError(str(codes)) from codes
            counts.skipped += 1
            print(f"skipped: {codes}", file=sys.stderr, flush=True)
            continue
        counts.files += 1
        counts.frames += len(codes)
        out.write(json.dumps({"media": entry.name, "vision": codes.ravel().tolist()}) + "\n")
    return counts


def _frames(listing: Listing, entry: Entry, size: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    with closing(open_file(listing, entry)) as file:
        yield from read_media(file, listing.uri(entry), size, sampling)
