"""`lwm sample` as a command: one small model on all devices, and what is refused before it is loaded."""

import hashlib
import json

import click
import pytest

from lwm_cli.__main__ import main
from lwm_cli.generation_options import parse_mesh
from lwm_cli.sample import parse_frames
from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import Mesh, Model, Vision
from lwm_trainer.convert.step_folder import write_step
from support.byte_tokenizer import byte_tokenizer_json
from support.tiny_models import one_device_mesh, random_params

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264, vision=Vision(vocab_size=16))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("sample")
    (folder / "tokenizer.json").write_text(byte_tokenizer_json())
    sha = hashlib.sha256(byte_tokenizer_json().encode()).hexdigest()
    manifest = ModelManifest(model=MODEL, context_length=128, rope_theta=500.0, tokenizer_sha256=sha)
    write_step(str(folder / "1"), random_params(MODEL, one_device_mesh()), manifest)
    frames = ["--tokens-per-frame", "3", "--codebook-size", "8"]
    return [str(folder / "1"), "--tokenizer", str(folder / "tokenizer.json"), *frames, "--context", "64", "--chunk", "8"]


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


def test_axes_and_frames_are_read_strictly() -> None:
    assert parse_mesh("sp=4,tp=2") == Mesh(sp=4, tp=2, ulysses=1)
    assert (parse_frames("3"), parse_frames("1-8")) == ((3, 3), (1, 8))
    for wrong in ("sp", "sp=0", "pp=2", "sp=4;tp=2"):
        with pytest.raises(click.UsageError, match="is not an axis"):
            parse_mesh(wrong)
