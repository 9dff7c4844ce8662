"""`lwm eval needle` as a command on a small model of random weights."""

import json
from pathlib import Path

import click
import pytest

from lwm_cli.__main__ import main
from lwm_cli.evaluate import parse_lengths
from lwm_trainer.config import Model
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("needle")
    checkpoint = write_random_model(folder, MODEL, 512)
    (folder / "texts").mkdir()
    (folder / "texts" / "a.txt").write_text("It rained. Nobody came. " * 100)
    return [*checkpoint, "--chunk", "64", "--haystack", f"{folder}/texts"]


def test_it_asks_writes_and_goes_on(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "needle", *words, "--lengths", "512", "--depths", "2", "--out", str(tmp_path)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "2 of 2 questions" in printed.err
    assert "512           0 % [0-66]  0/1 0/1" in printed.out
    results = json.loads((tmp_path / "needles.json").read_text())
    assert [(cell["length"], cell["depth"], cell["questions"]) for cell in results["cells"]] == [(512, 0.0, 1), (512, 1.0, 1)]
    assert (tmp_path / "needles.png").stat().st_size > 1000
    answers = (tmp_path / "answers.jsonl").read_text()
    assert main(command) == 0
    assert (tmp_path / "answers.jsonl").read_text() == answers


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lengths", "1024"], "--lengths: 1024 tokens are more than the model's context of 512"),
        (["--lengths", "x"], "--lengths x: write numbers of tokens"),
        (["--lengths", "512", "--rounds", "30"], "tokens left, but"),
        (["--lengths", "200"], "a length of 200 tokens has room for 0 of the haystack"),
    ],
)
def test_what_cannot_be_asked_is_named(
    words: list[str], options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "needle", *words, *options, "--depths", "2", "--out", str(tmp_path)]) != 0
    assert message in capsys.readouterr().err


def test_lengths_are_read_strictly() -> None:
    assert parse_lengths("4096, 1024,1024") == (1024, 4096)
    for wrong in ("", "0", "1k", "-5"):
        with pytest.raises(click.UsageError, match="write numbers of tokens"):
            parse_lengths(wrong)
