"""Frames of MP4, WebM and Matroska files, one after the other: a clip of any length takes the memory of a few frames.

The file is read twice. The first time only its packets' timestamps are read, and nothing is decoded: B-frames and variable rates need no
special care after that. The second time the chosen frames are taken as they are decoded.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, BinaryIO

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image

from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.fit_frame import MAX_PIXELS, fit_frame
from lwm_trainer.vision.media.sampling import Sampling, choose

MATROSKA = b"\x1a\x45\xdf\xa3"
"""The first bytes of a Matroska or WebM file."""
COPY_AGAIN = "copy it again or leave it out"
MISSING_SECONDS = Fraction(1, 2)
"""How much earlier than its header says a stream may end."""
_TURNS = {
    0: None,
    90: Image.Transpose.ROTATE_90,
    180: Image.Transpose.ROTATE_180,
    -90: Image.Transpose.ROTATE_270,
    -180: Image.Transpose.ROTATE_180,
}


def video_frames(file: BinaryIO, name: str, size: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [size, size, 3] of a clip that `sampling` chooses.

    Raises MediaError, which begins with `name`, for a file that is broken, cut off, too large, or has no video.
    """
    with _opened(file, name) as (container, stream):
        times, unit = _presentation_times(container, stream, name), Fraction(stream.time_base)  # a closed stream forgets it
    chosen = choose([time * unit for time in times], sampling)
    wanted = [times[number] for number in chosen]
    taken = 0
    with _opened(file, name) as (container, stream):
        stream.thread_type = "AUTO"
        for decoded in container.decode(stream):
            if decoded.is_corrupt:
                raise MediaError(f"{name}: the frame at {float(decoded.time or 0):.2f} s is damaged: {COPY_AGAIN}")
            if decoded.pts is None or decoded.pts < wanted[taken]:
                continue
            picture, pixel_aspect = _upright(decoded, stream.sample_aspect_ratio or Fraction(1), name)
            frame = fit_frame(picture, size, name, pixel_aspect)
            while wanted[taken] <= decoded.pts:
                yield frame
                taken += 1
                if taken == len(wanted):
                    return
    raise MediaError(f"{name}: ends before its frame at {float(wanted[taken] * unit):.2f} s could be decoded: {COPY_AGAIN}")


def _presentation_times(container: Any, stream: Any, name: str) -> list[int]:
    """The timestamps of all frames, ascending, in the stream's time base."""
    times = []
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise MediaError(f"{name}: is cut off or damaged at byte {packet.pos}: {COPY_AGAIN}")
        if packet.size and not packet.is_discard:
            if packet.pts is None:
                raise MediaError(f"{name}: a frame has no timestamp: remux it, as with `ffmpeg -fflags +genpts -c copy`")
            times.append(packet.pts)
    if not times:
        raise MediaError(f"{name}: its video has no frame: {COPY_AGAIN}")
    if len(times) < stream.frames:
        raise MediaError(f"{name}: has {len(times)} of the {stream.frames} frames that its header counts: {COPY_AGAIN}")
    times.sort()
    _require_length(stream, times, name)
    return times


def _require_length(stream: Any, times: list[int], name: str) -> None:
    """Raise MediaError where Matroska's own length of the stream says that the file is cut off: it does not count frames."""
    length = stream.metadata.get("DURATION")
    if length is None:
        return
    try:
        hours, minutes, seconds = length.split(":")
        expected = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError as error:
        raise MediaError(f"{name}: its header says that it is {length!r} long, which is no time: {COPY_AGAIN}") from error
    last_step = times[-1] - times[-2] if len(times) > 1 else 0
    end = (times[-1] + last_step) * stream.time_base
    if end < expected - MISSING_SECONDS:
        raise MediaError(f"{name}: ends at {float(end):.2f} s of {float(expected):.2f} s: {COPY_AGAIN}")


def _upright(decoded: Any, pixel_aspect: Fraction, name: str) -> tuple[Image.Image, Fraction]:
    """The frame in RGB and the width of a pixel in its heights, turned as players show it."""
    if decoded.rotation not in _TURNS:
        raise MediaError(f"{name}: is turned by {decoded.rotation} degrees: only quarter turns can be read")
    picture: Image.Image = decoded.to_image()
    turn = _TURNS[decoded.rotation]
    if decoded.rotation in (90, -90):
        pixel_aspect = 1 / pixel_aspect
    return (picture if turn is None else picture.transpose(turn)), pixel_aspect


@contextmanager
def _opened(file: BinaryIO, name: str) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream; names the file in what FFmpeg raises."""
    file.seek(0)
    # FFmpeg does not choose: some of its other formats follow addresses that a file holds.
    demuxer = "matroska" if file.read(len(MATROSKA)) == MATROSKA else "mov"
    file.seek(0)
    try:
        with av.open(file, "r", format=demuxer, metadata_errors="replace") as container:
            # A song's cover is a video stream, too.
            streams = [each for each in container.streams.video if not each.disposition & Disposition.attached_pic]
            if not streams:
                raise MediaError(f"{name}: has no video stream: leave it out")
            stream = streams[0]
            if stream.codec_context is None:
                raise MediaError(f"{name}: no decoder is here for its video: convert it to H.264, VP9 or AV1")
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MAX_PIXELS:
                raise MediaError(f"{name}: {width} x {height} pixels, more than {MAX_PIXELS}: make it smaller")
            yield container, stream
    except av.error.FFmpegError as error:
        raise MediaError(f"{name}: broken or truncated ({error.strerror}): {COPY_AGAIN}") from error
