"""Frames of PNG, JPEG, WebP and GIF files, also of animated ones."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.fit_frame import MAX_PIXELS, fit_frame, upright_rgb
from lwm_trainer.vision.media.sampling import Sampling, choose

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
SEVERAL_PICTURES = ("MPO",)
"""JPEG files of phones and stereo cameras with further pictures, such as a preview or the other eye's: the first one is the picture."""


def picture_frames(content: bytes, name: str, size: int, sampling: Sampling) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames [size, size, 3] of a picture file: one, or of an animation those that `sampling` chooses.

    Raises MediaError, which begins with `name`, for a file that is broken or too large.
    """
    with _decoding(name), Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise MediaError(f"{name}: {_too_large(width, height)}")
        count: int = 1 if picture.format in SEVERAL_PICTURES else getattr(picture, "n_frames", 1)
        chosen = choose(_times(picture, count), sampling) if count > 1 else [0]
        for number in chosen:
            picture.seek(number)
            yield fit_frame(upright_rgb(picture, name), size, name)


def _times(picture: Any, count: int) -> list[Fraction]:
    """Seconds at which each frame of an animation is shown; a frame without a duration is shown for 0.1 s, as browsers do."""
    times, now = [], Fraction(0)
    for number in range(count):
        picture.seek(number)
        picture.load()
        times.append(now)
        now += Fraction(int(picture.info.get("duration") or 100), 1000)
    return times


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Name the file in whatever Pillow raises: its decoders raise many types for damaged files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except MediaError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(f"{name}: more than {MAX_PIXELS} pixels ({error}): make it smaller") from error
    except UnidentifiedImageError as error:  # its text is an address in memory
        raise MediaError(f"{name}: broken or truncated (its header cannot be read): copy it again or leave it out") from error
    except Exception as error:
        raise MediaError(f"{name}: broken or truncated ({type(error).__name__}: {error}): copy it again or leave it out") from error


def _too_large(width: int, height: int) -> str:
    return f"{width} x {height} pixels, more than {MAX_PIXELS}: make it smaller"
