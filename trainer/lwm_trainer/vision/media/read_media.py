"""A file of pictures or a clip as frames: what it is, its first bytes say."""

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.pictures import picture_frames
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.media.videos import MATROSKA, video_frames

HEAD_BYTES = 16
MAX_PICTURE_BYTES = 2**28
"""Bytes of a picture's file, which is read at once."""
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")


def read_media(file: BinaryIO, name: str, size: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [size, size, 3] of a picture or a clip.

    Args:
        file: open for random reads; the caller closes it.
        name: with which messages begin.

    Raises MediaError for a file that is empty, broken, too large, or neither.
    """
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if not head:
        raise MediaError(f"{name}: is empty: copy it again or leave it out")
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        content = head + file.read(MAX_PICTURE_BYTES)
        if len(content) > MAX_PICTURE_BYTES:
            raise MediaError(f"{name}: has more than {MAX_PICTURE_BYTES} bytes: make it smaller")
        yield from picture_frames(content, name, size, sampling)
    elif head.startswith(MATROSKA) or head[4:8] in _MP4_BOXES:
        yield from video_frames(file, name, size, sampling)
    else:
        raise MediaError(f"{name}: begins with {head[:8]!r}: it is no PNG, JPEG, WebP, GIF, MP4, WebM or Matroska file: convert it")
