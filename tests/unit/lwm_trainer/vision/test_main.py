"""The commands from end to end: import, encode, decode, and what they say of a wrong line or file."""

import json
import zipfile
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from lwm_trainer.config import ExitCode
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.__main__ import main
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer
from support.media_files import SIZE, clip, picture
from support.tiny_vqgan import TINY

REFERENCE = Path(__file__).parents[3] / "vision"
CONFIG = TINY.model_copy(update={"image_size": SIZE})


@cache
def weights() -> vqgan.Params:
    return vqgan.init(CONFIG, 0)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A tokenizer, and a folder with two pictures, a clip of ten frames and an empty file."""
    write_tokenizer(f"{tmp_path}/t.safetensors", CONFIG, weights(), "test")
    (tmp_path / "media").mkdir()
    for name, content in {"a.png": picture("PNG"), "b.jpg": picture("JPEG"), "c.mp4": clip(), "d.png": b""}.items():
        (tmp_path / "media" / name).write_bytes(content)
    (tmp_path / "media" / "notes.txt").write_text("no picture")
    return tmp_path


def test_pictures_and_clips_become_codes_and_come_back(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer, codes = ["--tokenizer", f"{media}/t.safetensors"], media / "codes.jsonl"
    assert main(["encode", f"{media}/media", *tokenizer, "--out", str(codes), "--max-frames", "3", "--on-bad-file", "skip"]) == 0
    printed = capsys.readouterr()
    assert "3 files, 5 frames, 1 skipped" in printed.out
    assert printed.err == f"skipped: {media}/media/d.png: is empty: copy it again or leave it out\n"
    lines = [json.loads(line) for line in codes.read_text().splitlines()]
    assert [(line["media"], len(line["vision"])) for line in lines] == [("a.png", 64), ("b.jpg", 64), ("c.mp4", 192)]
    assert main(["decode", str(codes), *tokenizer, "--out", f"{media}/decoded"]) == 0
    assert sorted(path.name for path in (media / "decoded").iterdir()) == ["1.png", "2.png", "3.mp4"]
    with Image.open(media / "decoded" / "1.png") as decoded:
        assert decoded.size == (SIZE, SIZE)
    with av.open(f"{media}/decoded/3.mp4") as container:
        assert len(list(container.decode(video=0))) == 3


def test_a_bad_file_ends_encoding_by_default(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["encode", f"{media}/media", "--tokenizer", f"{media}/t.safetensors", "--out", f"{media}/codes.jsonl", "--max-frames", "1"]
    assert main(arguments) == ExitCode.BAD_DATA
    assert capsys.readouterr().err == f"vision: {media}/media/d.png: is empty: copy it again or leave it out\n"
    assert not (media / "codes.jsonl").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"vision": [1, 2]}', "no flat list of whole frames of 64 codes"),
        ('{"codes": []}', "no object with a field 'vision'"),
        (json.dumps({"vision": [16] * 64}), "frame 1 has code 16 at place 1, but codes are 0 to 15"),
        ("{", "Expecting property name"),
    ],
)
def test_codes_that_cannot_be_decoded_are_named(line: str, message: str, media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (media / "codes.jsonl").write_text(line)
    arguments = ["decode", f"{media}/codes.jsonl", "--tokenizer", f"{media}/t.safetensors", "--out", f"{media}/decoded"]
    assert main(arguments) == ExitCode.BAD_DATA
    error = capsys.readouterr().err
    assert f"{media}/codes.jsonl:1: " in error
    assert message in error


def test_weights_of_diffusers_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = f"{tmp_path}/t.safetensors"
    assert main(["import", str(REFERENCE / "amused"), out, "--size", "32"]) == 0
    assert "64 codes a frame of 64, fingerprint" in capsys.readouterr().out
    file = read_tokenizer(out)
    assert (file.config.grid, file.source) == (8, "amused")
    assert np.shape(file.params["codebook"]) == (64, 8)


def test_a_checkpoint_whose_project_is_not_named_is_refused_with_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "ibq.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    (tmp_path / "t.safetensors").touch()
    for name in ("ibq.ckpt", "t.safetensors"):
        assert main(["import", str(tmp_path / name), f"{tmp_path}/out.safetensors"]) == ExitCode.BAD_ARGUMENTS
        assert "name its project by --scheme ibq or llamagen" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["import", "x", "x.bin"], ExitCode.BAD_ARGUMENTS),
        (["import", "none", "x.safetensors"], ExitCode.BAD_DATA),
        (["import", "none.pt", "x.safetensors", "--scheme", "llamagen"], ExitCode.BAD_DATA),
        (["import", "/", "x.safetensors", "--scheme", "ibq"], ExitCode.BAD_ARGUMENTS),
        (["import", "none.pickle", "x.safetensors", "--size", "100"], ExitCode.BAD_ARGUMENTS),
        (["import", "none.pt", "x.safetensors", "--scheme", "ibq", "--size", "-4"], ExitCode.BAD_ARGUMENTS),
        (["encode", "none.png", "--tokenizer", "none", "--out", "x", "--rate", "nan"], ExitCode.BAD_ARGUMENTS),
        (["encode", "none.png", "--tokenizer", "none", "--out", "x"], ExitCode.BAD_DATA),
        (["encode", "none.png", "--tokenizer", "none", "--out", "x", "--rate", "0"], ExitCode.BAD_ARGUMENTS),
        (["train", ".", "--out", "x", "--save-interval", "0"], ExitCode.BAD_ARGUMENTS),
        (["train", ".", "--out", "x", "--steps", "0"], ExitCode.BAD_ARGUMENTS),
        (["train", ".", "--out", "x", "--recipe", "none.json"], ExitCode.BAD_ARGUMENTS),
        (["report", ".", "--tokenizer", "none", "--grid", "x.bmp"], ExitCode.BAD_ARGUMENTS),
    ],
)
def test_wrong_arguments_have_their_exit_codes(
    arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    assert capsys.readouterr().err.startswith("vision: ")
    assert list(tmp_path.iterdir()) == []
