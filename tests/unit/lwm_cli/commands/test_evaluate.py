"""`lwm eval SUITE` as a command on a small model of random weights."""

import json
from pathlib import Path

import pytest

from lwm_cli.__main__ import main
from lwm_trainer.config import Model
from support.tiny_models import write_random_model

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)
CONTEXT = 2048


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evaluate")
    write_random_model(made, MODEL, CONTEXT)
    (made / "texts").mkdir()
    (made / "texts" / "a.txt").write_text("It rained. Nobody came. " * 100)
    return made


def words(folder: Path, suite: str, length: int, *options: str) -> list[str]:
    return ["eval", suite, f"{folder}/1", "--tokenizer", f"{folder}/tokenizer.json", "--chunk", "64", "--lengths", str(length), *options]


def test_it_asks_writes_and_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = words(folder, "needle", 512, "--haystack", f"{folder}/texts", "--depths", "2", "--out", str(tmp_path))
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "2 of 2 questions" in printed.err
    assert printed.out.splitlines()[1].split() == ["512", "0", "%", "[0-66]", "<", "0.01", "%", "0/1", "0/1"]
    results = json.loads((tmp_path / "results.json").read_text())
    assert [(cell["length"], cell["depth"], cell["questions"]) for cell in results["cells"]] == [(512, 0.0, 1), (512, 1.0, 1)]
    assert results["results"]["needle_512"]["score,none"] == 0
    assert "0/1" in (tmp_path / "heat_map.svg").read_text()
    answers = (tmp_path / "answers.jsonl").read_text()
    assert main(command) == 0
    assert (tmp_path / "answers.jsonl").read_text() == answers


def test_the_right_text_can_be_forced_instead_of_generated(folder: Path, tmp_path: Path) -> None:
    assert main(words(folder, "json-kv", 512, "--depths", "2", "--answers", "forced", "--out", str(tmp_path))) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["suite"] == "json-kv"
    assert results["configs"]["json-kv_512"]["metadata"]["answers"] == "forced"
    assert [json.loads(line)["answer"] for line in (tmp_path / "answers.jsonl").read_text().splitlines()[1:]] == ["", ""]


@pytest.mark.parametrize(
    ("suite", "length", "options", "message"),
    [
        ("needle", 4096, ["--haystack", "{}/texts"], "--lengths: 4096 tokens are more than the model's context of 2048"),
        ("needle", 512, ["--haystack", "{}/none"], "none"),
        ("ruler", 512, ["--tasks", "niah_single_2"], "name one by --haystack"),
        ("graphwalks", 512, ["--distance", "9"], "--distance is 9: give 1 to 4"),
        ("graphwalks", 2048, ["--answers", "forced"], "'forced' is not"),
    ],
)
def test_what_cannot_be_asked_is_named(
    folder: Path, suite: str, length: int, options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [option.format(folder) for option in options]
    assert main(words(folder, suite, length, *filled, "--out", str(tmp_path))) != 0
    assert message in capsys.readouterr().err


def test_the_loss_of_documents_by_position_is_measured(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["eval", "perplexity", f"{folder}/1", "--tokenizer", f"{folder}/tokenizer.json", "--chunk", "64"]
    assert main([*command, "--text", f"{folder}/texts", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "352 tokens stand beyond position 2,048" in printed
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["buckets"][-1]["last"] == 2047
    assert results["tokens"] == 2048 - 1 + 1
    assert main([*command, "--text", f"{folder}/texts", "--length", "4096", "--out", str(tmp_path)]) == 2
    assert "--length: 4096 tokens are more than the model's context of 2048" in capsys.readouterr().err
