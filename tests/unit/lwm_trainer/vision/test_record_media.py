"""What a record's media field may hold: paths, bytes and `{bytes, path}` make the same frames, lists are clips, and all else is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lwm_trainer.data.records.record import BadRecordError, Record
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.record_media import record_frames
from support.media_files import SIZE, clip, picture

LEVELS = [10, 90, 170, 250]


def frames(tmp_path: Path, value: Any, sampling: Sampling = Sampling()) -> NDArray[np.uint8]:  # noqa: B008 - frozen
    record = Record(f"{tmp_path}/records.jsonl", 1, 1, {"media": value})
    return np.stack(list(record_frames(record, "media", SIZE, sampling)))


@pytest.fixture
def grey(tmp_path: Path) -> list[bytes]:
    """Pictures of one level each; they lie in the folder, too."""
    files = [picture("PNG", Image.new("L", (20, 20), level)) for level in LEVELS]
    for number, content in enumerate(files):
        (tmp_path / f"{number}.png").write_bytes(content)
    return files


def test_bytes_and_paths_are_the_same_frames(grey: list[bytes], tmp_path: Path) -> None:
    expected = frames(tmp_path, "1.png")
    assert expected[0, 0, 0].tolist() == [90] * 3
    for value in (grey[1], {"bytes": grey[1], "path": None}, {"bytes": grey[1], "path": "9.png"}, {"bytes": None, "path": "1.png"}):
        np.testing.assert_array_equal(frames(tmp_path, value), expected)
    moving = clip()
    (tmp_path / "a.mp4").write_bytes(moving)
    rate = Sampling(5.0, 3)
    np.testing.assert_array_equal(frames(tmp_path, moving, rate), frames(tmp_path, "a.mp4", rate))


def test_a_list_is_a_clip_of_its_pictures_in_their_order(grey: list[bytes], tmp_path: Path) -> None:
    mixed = [grey[3], "0.png", {"bytes": grey[2], "path": None}]
    assert frames(tmp_path, mixed)[:, 0, 0, 0].tolist() == [LEVELS[3], LEVELS[0], LEVELS[2]]
    assert frames(tmp_path, [grey[1]])[:, 0, 0, 0].tolist() == [LEVELS[1]]


def test_of_a_long_list_frames_at_even_distances_are_read_and_no_others(grey: list[bytes], tmp_path: Path) -> None:
    names = ["0.png", *["none.png"] * 49, "1.png", *["none.png"] * 49, "2.png"]
    chosen = frames(tmp_path, names, Sampling(max_frames=3))
    assert chosen[:, 0, 0, 0].tolist() == LEVELS[:3]
    assert len(frames(tmp_path, [grey[0]] * 10, Sampling(frames_per_second=0.1))) == 10, "a list has no times"


BAD: dict[str, tuple[Any, str]] = {
    "an empty list": ([], "field 'media' holds an empty list: write at least one picture"),
    "neither bytes nor path": ({"bytes": None, "path": None}, "field 'media' has neither bytes nor a path"),
    "another object": ({"url": "x"}, "field 'media' holds an object, not a path or bytes: write a path"),
    "no value": (None, "field 'media' holds null, not a path or bytes"),
    "empty bytes": (b"", "field 'media': is empty"),
    "broken bytes": ({"bytes": b"\x89PNG\r\n\x1a\n?", "path": "x.png"}, r"field 'media' \(x\.png\): broken or truncated"),
    "a number in a list": (["0.png", 7], "field 'media', picture 2 holds a number, not a path or bytes"),
    "a list in a list": ([["0.png"]], "field 'media', picture 1 holds a list, not a path or bytes"),
    "a path outside": (["../0.png"], r"field 'media', picture 1 holds '\.\./0\.png': write a path relative"),
    "a missing picture": (["0.png", "none.png"], "field 'media', picture 2 names .*/none.png, where no file is"),
    "a clip in a list": ([clip()], "field 'media', picture 1: has several frames, but a list is of pictures: write the clip by itself"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_named(name: str, grey: list[bytes], tmp_path: Path) -> None:
    value, message = BAD[name]
    with pytest.raises(BadRecordError, match=message):
        frames(tmp_path, value)
