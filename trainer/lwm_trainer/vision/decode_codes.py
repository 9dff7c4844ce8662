"""`lwm vision decode`: JSON lines of codes become pictures, and clips where a line has several frames."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.vision.tokenizer import CodeRangeError, VisionTokenizer

CLIP_CODEC = "libx264"
CLIP_OPTIONS = {"crf": "18", "x264-params": "mbtree=0:rc-lookahead=0"}
"""H.264 at a constant rate factor without visible loss. x264's lookahead makes other bytes of equal frames."""


def decode_lines(tokenizer: VisionTokenizer, source: Path, field: str, out: Path, frames_per_second: int) -> int:
    """Write line n of the file as `out`/n.png, or as n.mp4 where it has several frames; returns the number of files.

    Raises DataMissingError where there is no such file, and DataCorruptError, with file and line, for a line whose `field` holds no codes
    of this tokenizer.
    """
    if not source.is_file():
        raise DataMissingError(f"{source}: no file is there: give the lines that `lwm vision encode` wrote")
    out.mkdir(parents=True, exist_ok=True)
    number = 0
    with source.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                frames = tokenizer.decode(_codes(line, field, tokenizer.config.codes_per_frame))
            except (ValueError, CodeRangeError) as error:
                raise DataCorruptError(f"{source}:{number}: {error}") from error
            if len(frames) == 1:
                Image.fromarray(frames[0]).save(out / f"{number}.png")
            else:
                write_clip(out / f"{number}.mp4", frames, frames_per_second)
    return number


def _codes(line: str, field: str, codes_per_frame: int) -> NDArray[np.int64]:
    """The codes of a line, [F, N]. Raises ValueError."""
    record = json.loads(line)
    if not isinstance(record, dict) or field not in record:
        raise ValueError(f"is no object with a field {field!r}: name the field of the codes by --field")
    codes = np.asarray(record[field])
    if codes.ndim != 1 or codes.dtype.kind != "i" or not len(codes) or len(codes) % codes_per_frame:
        raise ValueError(f"field {field!r} is no flat list of whole frames of {codes_per_frame} codes: was another tokenizer used?")
    return codes.reshape(-1, codes_per_frame)


def write_clip(file: Path | BinaryIO, frames: Iterable[NDArray[np.uint8]], frames_per_second: int) -> None:
    """Write frames [H, W, 3], one or more, as an MP4; equal frames make equal bytes."""
    with av.open(str(file) if isinstance(file, Path) else file, "w", format="mp4") as container:
        stream: Any = container.add_stream(CLIP_CODEC, rate=frames_per_second, options=CLIP_OPTIONS)
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # several threads make other bytes each time
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
