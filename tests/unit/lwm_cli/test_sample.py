"""`lwm sample` as a command: one small model on all devices, and what is refused before it is loaded."""

import json
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from lwm_cli.__main__ import main
from lwm_cli.generation_options import parse_mesh
from lwm_cli.sample import lwm_request, parse_frames
from lwm_trainer.config import Frames, Mesh, Model, Vision
from lwm_trainer.sampling.prompt import join
from lwm_trainer.sampling.vocabulary import make_vocabulary
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.tokenizer_file import write_tokenizer
from support.byte_tokenizer import byte_tokenizer
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sample")
    frames = ["--tokens-per-frame", "3", "--codebook-size", "8"]
    return [*write_random_model(folder, MODEL, 128), *frames, "--context", "64", "--chunk", "8"]


def test_text_goes_to_standard_output_and_is_the_same_for_the_same_seed(checkpoint: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", *checkpoint, "--prompt", "hello", "--max-tokens", "20", "--ignore-end"]
    outputs = []
    for seed in ("1", "1", "2"):
        assert main([*words, "--seed", seed]) == 0
        captured = capsys.readouterr()
        assert "6 tokens of prompt" in captured.err
        outputs.append(captured.out)
    assert outputs[0] == outputs[1] != outputs[2]


def test_pictures_are_whole_frames_of_codes(checkpoint: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--prompt", "a cat", "--frames", "2", "--guidance", "3", "--samples", "2", "--json"]
    assert main(["sample", *checkpoint, *words]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [len(answer["frames"]) for answer in answers] == [2, 2]
    assert all(len(frame) == 3 and max(frame) < 8 for answer in answers for frame in answer["frames"])
    assert [answer["finish_reason"] for answer in answers] == ["stop", "stop"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vision tokenizer of 4 codes a frame, a picture and a text."""
    folder = tmp_path_factory.mktemp("pictures")
    sizes = VqganConfig(image_size=8, width=4, multipliers=(1, 1, 1), blocks=1, groups=2, latent_width=4, codebook_size=8, codebook_width=3)
    write_tokenizer(f"{folder}/t.safetensors", sizes, vqgan.init(sizes, 0), "test")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(folder / "a.png")
    (folder / "a.txt").write_text("no picture")
    return folder


def test_a_picture_is_shown_and_another_is_continued_by_frames_that_become_a_clip(
    checkpoint: list[str], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*checkpoint[:3], *checkpoint[7:], "--vision-tokenizer", f"{pictures}/t.safetensors", "--show", f"{pictures}/a.png"]
    assert main(["sample", *words, "--extend", f"{pictures}/a.png", "--frames", "2", "--json", "--out", f"{tmp_path}/out"]) == 0
    captured = capsys.readouterr()
    assert f"{tmp_path}/out/1.mp4" in captured.err
    (answer,) = json.loads(captured.out)
    assert [len(frame) for frame in answer["frames"]] == [4, 4], "the two new frames, without the one that was given"
    assert main(["sample", *words, "--prompt", "again", "--frames", "1", "--out", f"{tmp_path}/one"]) == 0
    with Image.open(tmp_path / "one" / "1.png") as made:
        assert made.size == (8, 8)


def test_what_is_wrong_with_pictures_is_named(checkpoint: list[str], pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = ["--vision-tokenizer", f"{pictures}/t.safetensors"]
    assert main(["sample", *checkpoint, "--show", "a.png"]) != 0
    assert "--vision-tokenizer is missing for --show, --extend and --out: give FILE" in capsys.readouterr().err
    assert main(["sample", *checkpoint, "--prompt", "x", *tokenizer]) != 0
    assert "makes 4 codes a frame of 8, but the model's frames have 3 codes of 8" in capsys.readouterr().err
    assert main(["sample", *checkpoint[:3], "--show", f"{pictures}/a.txt", *tokenizer]) != 0
    assert "a.txt: begins with b'no pictu': it is no PNG" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prompt", "x" * 80], "prompt: has 81 tokens, but the context has room for 64"),
        (["--prompt", "x", "--max-tokens", "80"], "max_tokens is 80, but the prompt has 2 tokens of the 64"),
        (["--prompt", "x", "--temperature", "-1"], "text.temperature is -1.0: give 0 or more"),
        ([], "give the prompt by --prompt TEXT or --prompt-file FILE"),
        (["--prompt-file", "/nowhere"], "--prompt-file /nowhere: No such file"),
        (["--prompt", "x", "--frames", "0"], "--frames 0: write a number of frames"),
    ],
)
def test_a_wrong_option_is_named(checkpoint: list[str], words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", *checkpoint, *words]) != 0
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "frames", "user"),
    [
        ([], (1, 1), "Generate an image of a cat"),
        ([], (2, 8), "Generate a video of a cat"),
        ([[0, 1, 2]], (1, 1), "Generate a video of a cat"),
    ],
)
def test_the_template_of_lwm_asks_for_a_picture_or_a_clip(given: list[list[int]], frames: tuple[int, int], user: str) -> None:
    """As in its two sampling runs: a first frame under the one prompt, which the other one continues."""
    words = make_vocabulary(MODEL, byte_tokenizer("<vision>", "</vision>"), Frames(tokens_per_frame=3, codebook_size=8))
    prompt = lwm_request(words, "a cat", [], given, frames)
    text = words.encode(f"You are a helpful assistant. USER: {user} ASSISTANT:")
    assert prompt.tokens.tolist() == join(words.begin(), text, words.opening(), words.frames(given)).tokens.tolist()


def test_the_template_of_lwm_asks_about_a_picture_before_it_is_shown() -> None:
    words = make_vocabulary(MODEL, byte_tokenizer("<vision>", "</vision>"), Frames(tokens_per_frame=3, codebook_size=8))
    prompt = lwm_request(words, "What is it?", [[[0, 1, 2]]], None, None)
    texts = [words.encode(text) for text in ("You are a helpful assistant. USER: What is it?\n", " ASSISTANT:")]
    assert prompt.tokens.tolist() == join(words.begin(), texts[0], words.span([[0, 1, 2]]), texts[1]).tokens.tolist()


def test_axes_and_frames_are_read_strictly() -> None:
    assert parse_mesh("sp=4,tp=2") == Mesh(sp=4, tp=2, ulysses=1)
    assert (parse_frames("3"), parse_frames("1-8")) == ((3, 3), (1, 8))
    for wrong in ("sp", "sp=0", "pp=2", "sp=4;tp=2"):
        with pytest.raises(click.UsageError, match="is not an axis"):
            parse_mesh(wrong)
