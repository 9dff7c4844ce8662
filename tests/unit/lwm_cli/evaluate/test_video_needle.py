"""`lwm eval video-needle` on a small model of random weights and a small vision tokenizer."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lwm_cli.__main__ import main
from lwm_trainer.config import Model, Vision
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.tokenizer_file import write_tokenizer
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("film")
    write_random_model(made, MODEL, 256)
    sizes = VqganConfig(image_size=8, width=4, multipliers=(1, 1, 1), blocks=1, groups=2, latent_width=4, codebook_size=8, codebook_width=3)
    write_tokenizer(f"{made}/t.safetensors", sizes, vqgan.init(sizes, 0), "test")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(made / "a.png")
    return made


def test_shapes_are_asked_for_at_every_depth(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "video-needle", f"{folder}/1", "--tokenizer", f"{folder}/tokenizer.json", "--chunk", "64", "--lengths", "256"]
    command += ["--vision-tokenizer", f"{folder}/t.safetensors", "--film", f"{folder}/a.png", "--depths", "2", "--out", str(tmp_path)]
    assert main([*command, "--answers", "likeliest"]) == 0
    assert "8.33 %" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [line["details"]["needle_frame"] for line in lines[1:]] == [0, lines[1]["details"]["frames"] - 1]
    assert lines[1]["details"]["film_frames"] == 1
    assert main([*command, "--codebook-size", "9", "--answers", "likeliest"]) == 2
    assert "--vision-tokenizer: makes 4 codes a frame of 8" in capsys.readouterr().err
