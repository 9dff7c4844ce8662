"""Batches of crops: a pure function of the seed and the step."""

import sys
from collections.abc import Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.files import open_file
from lwm_trainer.vision.encode_files import media_files
from lwm_trainer.vision.media.errors import MediaError
from lwm_trainer.vision.media.read_media import read_media
from lwm_trainer.vision.media.sampling import Sampling

SOURCE_SCALE = 2
"""Sides of the pictures in memory, in sides of a crop: a crop shows a quarter of a picture, or all of it, or a part in between."""
CLIP_SAMPLING = Sampling(frames_per_second=2.0, max_frames=32)
"""Neighbouring frames of a clip teach little that is new."""
MAX_PICTURES = 50_000


def load_pictures(uris: Sequence[str], side: int) -> NDArray[np.uint8]:
    """All pictures, and frames of clips, [pictures, side, side, 3]; files that cannot be used are printed.

    Raises DataCorruptError when none can be used, or there are more than memory should hold, and what `media_files` raises.
    """
    frames: list[NDArray[np.uint8]] = []
    for listing, entry in media_files(uris):
        try:
            with closing(open_file(listing, entry)) as file:
                frames += read_media(file, listing.uri(entry), side, CLIP_SAMPLING)
        except MediaError as error:
            print(f"skipped: {error}", file=sys.stderr, flush=True)
        if len(frames) > MAX_PICTURES:
            raise DataCorruptError(
                f"{' '.join(uris)}: more than {MAX_PICTURES} pictures, which are held in memory: train on a part of them"
            )
    if not frames:
        raise DataCorruptError(f"{' '.join(uris)}: no file there can be used as a picture: see the lines above")
    return np.stack(frames)


def crop_batch(pictures: NDArray[np.uint8], size: int, batch: int, seed: int, step: int) -> NDArray[np.uint8]:
    """The crops of a step, [batch, size, size, 3]: squares of any scale and place, half of them mirrored."""
    random = np.random.default_rng((seed, step))
    crops = []
    for _ in range(batch):
        picture = pictures[random.integers(len(pictures))]
        side = int(random.integers(size, picture.shape[0] + 1))
        top, left = random.integers(0, picture.shape[0] - side + 1, 2)
        part = Image.fromarray(picture[top : top + side, left : left + side]).resize((size, size), Image.Resampling.BICUBIC)
        crop = np.asarray(part)
        crops.append(crop[:, ::-1] if random.random() < 0.5 else crop)
    return np.stack(crops)
