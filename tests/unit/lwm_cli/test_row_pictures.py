"""A row's pictures are those of its codes, as files and as blocks on a terminal, and another tokenizer is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lwm_cli.__main__ import main
from lwm_cli.errors import FileError
from lwm_cli.row_pictures import RowPictures, grid, half_blocks
from lwm_cli.row_view import Segment
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.preparation.worker import prepare
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer
from unit.lwm_trainer.vision.test_media_records import CONFIG, config, source, weights

__all__ = ["source"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    write_tokenizer(f"{tmp_path}/v.safetensors", CONFIG, weights(0), "test")
    return f"{tmp_path}/v.safetensors"


def segment(tokens: list[int], vision: list[bool]) -> Segment:
    return Segment("a:1", 0, len(tokens), np.array(tokens, np.int32), np.ones(len(tokens), np.float32), np.array(vision))


def test_frames_are_those_of_the_codes_and_a_cut_one_is_left_out(tokenizer: str) -> None:
    codes = np.random.default_rng(0).integers(0, 16, (3, 64))
    tokens = [200, *codes[0][-5:], 16, *codes[1], 16, *codes[2], 17, 201]
    vision = [False, *[True] * (len(tokens) - 2), False]
    pictures = RowPictures(tokenizer, None)
    expected = VisionTokenizer(read_tokenizer(tokenizer)).decode(codes[1:])
    np.testing.assert_array_equal(pictures.frames(segment(tokens, vision)), expected)
    assert len(pictures.frames(segment([200, 201], [False, False]))) == 0
    assert list(pictures.terminal_lines(segment([200], [False]))) == []
    with pytest.raises(FileError, match=r"64 codes a frame of 16, but a:1 has frames of 9: give the tokenizer that encoded them"):
        pictures.frames(segment([*[1] * 9, 16, *[1] * 9, 17], [True] * 20))


def test_a_grid_has_eight_frames_a_row_and_ends_white() -> None:
    frames = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((10, 2, 3, 3), np.uint8)
    laid = grid(frames)
    assert laid.shape == (4, 24, 3)
    assert laid[::2, ::3, 0].tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, *[255] * 6]]
    assert grid(frames[:3]).shape == (2, 9, 3)


def test_a_letter_shows_two_pixels() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[1, 0] = (1, 2, 3)
    first, *others = half_blocks(frame[None])
    assert first.startswith("\x1b[38;2;0;0;0;48;2;1;2;3m▀\x1b[38;2;0;0;0;48;2;0;0;0m▀")
    assert first.endswith("\x1b[0m")
    assert (first.count("▀"), len(others)) == (32, 15)


def test_a_prepared_row_is_written_as_pictures(source: Path, tokenizer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = prepare(config(source), 0, PreparationReport())
    assert prepared is not None
    arguments = ["data", "inspect", prepared.uri, "--context-length", "512"]
    out = tmp_path / "pictures"
    assert main([*arguments, "--pictures", str(out), "--vision-tokenizer", tokenizer]) == 0
    assert f"{out}: 3 documents with pictures" in capsys.readouterr().out
    widths = []
    for place in (1, 2, 3):
        with Image.open(out / f"row-0-document-{place}.png") as opened:
            widths.append(opened.width)
    widths.sort()
    assert widths == [CONFIG.image_size, CONFIG.image_size, 3 * CONFIG.image_size]
    assert main([*arguments, "--pictures", str(out)]) == 2
    assert "--pictures: codes become pictures by the tokenizer that encoded them" in capsys.readouterr().err
    write_tokenizer(tokenizer, CONFIG, weights(1), "test")
    assert main([*arguments, "--vision-tokenizer", tokenizer]) == 2
    assert "but the codes are of" in capsys.readouterr().err
