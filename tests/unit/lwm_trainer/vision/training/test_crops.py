"""Crops are a pure function of seed and step, and parts of the pictures."""

from pathlib import Path

import numpy as np
import pytest

from lwm_trainer.data.errors import DataCorruptError, DataMissingError
from lwm_trainer.vision.training.crops import crop_batch, load_pictures
from support.media_files import SIZE, clip, picture

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 2 * SIZE, 2 * SIZE, 3), np.uint8)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    batches = {(seed, step): crop_batch(PICTURES, SIZE, 4, seed, step) for seed in (0, 1) for step in (0, 1)}
    assert len({batch.tobytes() for batch in batches.values()}) == 4
    np.testing.assert_array_equal(batches[1, 1], crop_batch(PICTURES, SIZE, 4, 1, 1))
    assert batches[0, 0].shape == (4, SIZE, SIZE, 3)


def test_a_crop_of_one_scale_is_a_part_or_its_mirror_image() -> None:
    pictures = PICTURES[:, :SIZE, :SIZE]
    kinds = set()
    for step in range(8):
        (crop,) = crop_batch(pictures, SIZE, 1, 0, step)
        mirrored = [np.array_equal(crop, each[:, ::-1]) for each in pictures]
        assert any(mirrored) or any(np.array_equal(crop, each) for each in pictures)
        kinds.add(any(mirrored))
    assert kinds == {True, False}


def test_pictures_and_clips_are_loaded_and_bad_files_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataMissingError, match="no file there ends in"):
        load_pictures([str(tmp_path)], SIZE)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(DataCorruptError, match="no file there can be used as a picture"):
        load_pictures([str(tmp_path)], SIZE)
    (tmp_path / "a.png").write_bytes(picture("PNG"))
    (tmp_path / "c.mp4").write_bytes(clip())
    assert load_pictures([str(tmp_path)], SIZE).shape == (3, SIZE, SIZE, 3)  # a second of the clip at 2 frames a second
    assert "skipped:" in capsys.readouterr().err
