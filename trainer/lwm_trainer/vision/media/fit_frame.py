"""A picture of any size and kind of colour becomes a frame, by `FRAME_RECIPE`."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from lwm_trainer.vision.media.errors import MediaError

MAX_PIXELS = 2**26
"""Pixels of a picture: 67 megapixels, 200 MB in memory."""


def fit_frame(picture: Image.Image, size: int, name: str, pixel_aspect: Fraction = Fraction(1)) -> NDArray[np.uint8]:
    """The frame, [size, size, 3]: the shorter side is resized to `size`, and the centre of the longer one is kept.

    `pixel_aspect` is the width of a pixel in its heights: a picture is as wide as it is shown. Raises MediaError, which begins with
    `name`, for a picture that would be too large after resizing.
    """
    width, height = picture.size
    if pixel_aspect != 1:
        width = max(1, round(width * pixel_aspect))
    shorter = min(width, height)
    resized = (size, int(height * size / width)) if width < height else (int(width * size / height), size)
    if resized[0] * resized[1] > MAX_PIXELS:
        raise MediaError(
            f"{name}: {width} x {height} pixels are too narrow: with {shorter} as {size}, it would be {resized[0]} x {resized[1]}: crop it"
            " or leave it out"
        )
    picture = picture.resize(resized, Image.Resampling.BICUBIC)
    left, top = round((resized[0] - size) / 2), round((resized[1] - size) / 2)
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def upright_rgb(picture: Image.Image, name: str) -> Image.Image:
    """The picture in 8-bit RGB, turned by its EXIF orientation. Raises MediaError for a mode that has no fixed range."""
    upright = ImageOps.exif_transpose(picture)
    mode = upright.mode
    if mode == "F":
        raise MediaError(f"{name}: its values are floats, which have no fixed range: save it with 8 or 16 bits")
    if mode.startswith("I"):
        values = np.asarray(upright)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise MediaError(f"{name}: its values go from {values.min()} to {values.max()}: save it with 8 or 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")  # Pillow's own conversion clips at 255
    if upright.has_transparency_data:
        with_alpha = upright.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return upright.convert("RGB")
