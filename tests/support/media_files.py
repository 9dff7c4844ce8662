"""Small pictures and clips in memory: frame n of a clip is grey of level `20 * n`, with a red upper left quarter."""

import io
from fractions import Fraction
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 16
WIDTH, HEIGHT = 48, 32


def frame(number: int) -> NDArray[np.uint8]:
    """Frame `number` of a clip, [HEIGHT, WIDTH, 3]."""
    pixels = np.full((HEIGHT, WIDTH, 3), 20 * number, np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2] = (255, 0, 0)
    return pixels


def picture(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """A file of Pillow's format `kind`."""
    content = io.BytesIO()
    (image or Image.fromarray(frame(3))).save(content, kind, **options)
    return content.getvalue()


def clip(
    kind: str = "mp4",
    codec: str = "libx264",
    times: tuple[int, ...] = tuple(range(10)),
    rate: int = 10,
    index_first: bool = False,
    options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
) -> bytes:
    """A clip whose frame n is shown at `times[n]` / `rate` seconds.

    `index_first`: an MP4 whose index stands before its data. `pixel_aspect`: the width of a pixel in its heights.
    """
    with NamedTemporaryFile(suffix=f".{kind}") as file:
        with av.open(file.name, "w", options={"movflags": "faststart"} if index_first else {}) as container:
            _encode(container, codec, times, rate, options or {}, pixel_aspect)
        return Path(file.name).read_bytes()


def _encode(container: Any, codec: str, times: tuple[int, ...], rate: int, options: dict[str, str], pixel_aspect: Fraction | None) -> None:
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, rate)
    if pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = pixel_aspect
    for number, time in enumerate(times):
        encoded = av.VideoFrame.from_ndarray(frame(number), format="rgb24")
        encoded.pts, encoded.time_base = time, Fraction(1, rate)
        container.mux(stream.encode(encoded))
    container.mux(stream.encode())


def turned(mp4: bytes) -> bytes:
    """The clip with a display matrix that turns it clockwise by a quarter, as phones write it."""
    start = mp4.index(b"tkhd") + 44
    matrix = b"".join(value.to_bytes(4, "big", signed=True) for value in (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30))
    return mp4[:start] + matrix + mp4[start + len(matrix) :]
