"""`lwm data`: data sets prepared by processes of this machine, and rows as people read them."""

import json
from pathlib import Path

import pytest
import yaml

from lwm_cli.__main__ import main
from unit.lwm_trainer.data.encoding.test_tokenizer import content

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "laptop.yaml"


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A training on claims, with data and a tokenizer of this machine beside it."""
    (tmp_path / "books").mkdir()
    lines = [{"text": f"number {number}"} for number in range(9)]
    (tmp_path / "books" / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "books" / "b.txt").write_text("a text " * 200)
    (tmp_path / "tokenizer.json").write_bytes(content("<s>", "</s>"))
    (body,) = yaml.safe_load_all(EXAMPLE.read_text())
    file = tmp_path / "training.yaml"
    file.write_text(yaml.safe_dump(body))
    return file


def local_options(training: Path) -> list[str]:
    (body,) = yaml.safe_load_all(training.read_text())
    name = body["spec"]["datasets"][0]["name"]
    return ["--dataset", name, "--source", str(training.parent / "books"), "--tokenizer", str(training.parent / "tokenizer.json")]


def prepared(training: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert main(["data", "prepare", str(training), *local_options(training), "--out", str(training.parent / "out"), *more]) == 0
    captured = capsys.readouterr()
    assert "10 documents" in captured.err
    _, uri, counts = captured.out.strip().split(": ")
    assert counts.startswith("10 documents, ")
    return uri


def test_two_processes_prepare_and_the_row_is_read_back(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = prepared(training, capsys, "--workers", "2")
    assert prepared(training, capsys, "--workers", "1") == uri
    assert main(["data", "inspect", uri, "--context-length", "64"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{Path(uri).name}, row 0: data set prepared, ")
    assert "\x1b" not in first
    heads = [line for line in lines if line.startswith(("[1] ", "[2] "))]
    assert all(f"{training.parent}/books/" in line for line in heads)
    assert heads


def test_a_row_says_where_it_came_from_and_what_counts(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (training.parent / "books" / "b.txt").unlink()
    (training.parent / "books" / "a.jsonl").write_text('{"text": "one"}\n{"text": "two"}\n')
    assert main(["data", "inspect", str(training), *local_options(training), "--context-length", "16"]) == 0
    _, *lines = capsys.readouterr().out.splitlines()
    books = training.parent / "books"
    assert sorted(lines) == sorted(
        [
            f"[1] {books}/a.jsonl:{1 if '1: tok' in lines[0] else 2}: tokens: 5, counted 4, weight 1",
            f"[2] {books}/a.jsonl:{2 if '1: tok' in lines[0] else 1}: tokens: 5, counted 4, weight 1",
            "[[<s>]]one</s>",
            "[[<s>]]two</s>",
            "padding: 6 places",
        ]
    )


def test_a_long_document_shows_its_ends_and_all_of_it_where_asked(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (training.parent / "books" / "a.jsonl").unlink()
    arguments = ["data", "inspect", str(training), *local_options(training), "--context-length", "1024"]
    texts = []
    for row in range(2):
        assert main([*arguments, "--row", str(row), "--whole"]) == 0
        texts.append(capsys.readouterr().out)
    assert any("tokens 0 to 1023 of 1402: 1024, counted 1023" in text for text in texts)
    assert any("tokens 1024 to 1401 of 1402: 378, counted 377" in text for text in texts)
    outs = []
    for row in range(2):
        assert main([*arguments, "--row", str(row)]) == 0
        outs.append(capsys.readouterr().out)
    assert any("… 624 tokens …" in text for text in outs)


def test_what_cannot_be_asked_is_answered(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 2
    assert main(["data", "prepare", str(training), "--out", "/x", "--dataset", "nobody"]) == 2
    assert "--dataset nobody: no such data set: use one of " in capsys.readouterr().err
    assert main(["data", "prepare", str(training), "--out", "/x", "--source", "/y"]) == 2
    assert "--source is of one data set: name it by --dataset" in capsys.readouterr().err
    assert main(["data", "inspect", str(training.parent)]) == 2
    assert "neither a file nor the folder of a prepared data set" in capsys.readouterr().err


def test_a_bad_record_is_told_whichever_process_finds_it(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (training.parent / "books" / "b.txt").write_bytes(b"\xff")
    out = str(training.parent / "out")
    assert main(["data", "prepare", str(training), *local_options(training), "--out", out, "--workers", "2"]) == 1
    assert f"{training.parent}/books/b.txt: byte 0 of the file, 0xFF, is not UTF-8" in capsys.readouterr().err


def test_files_without_a_training_are_prepared_as_those_of_one(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = prepared(training, capsys, "--workers", "1")
    words = ["--tokenizer", str(training.parent / "tokenizer.json"), "--out", str(training.parent / "out"), "--workers", "1"]
    assert main(["data", "prepare", str(training.parent / "books"), *words, "--vocab-size", "2048"]) == 0
    assert capsys.readouterr().out.startswith(f"data: {uri}: 10 documents, "), "the same store"
    assert main(["data", "prepare", str(training.parent / "books" / "a.jsonl"), *words]) == 0
    assert ": 9 documents, " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["books"], "--tokenizer is missing: without a training"),
        (["books", "--dataset", "x"], "books is data: leave --dataset and --source out"),
        (["training.yaml", "--kind", "chat"], "leave --kind and --vocab-size out"),
    ],
)
def test_options_of_the_other_way_are_refused(
    training: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(training.parent)
    assert main(["data", "prepare", *words, "--out", "out"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_file_with_paths_of_this_machine_is_prepared_and_inspected(
    training: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    body = yaml.safe_load(training.read_text())
    body["spec"]["datasets"][0]["source"] = {"uri": "file:books"}
    body["spec"]["tokenizer"] = {"uri": "file:tokenizer.json"}
    body["spec"]["checkpoint"] = {"uri": "file:runs"}
    training.write_text(yaml.safe_dump(body))
    monkeypatch.chdir("/")
    assert main(["data", "prepare", str(training), "--out", str(training.parent / "out"), "--workers", "1"]) == 0
    assert ": 10 documents, " in capsys.readouterr().out
    assert main(["data", "inspect", str(training), "--context-length", "16"]) == 0
    assert "data set books, " in capsys.readouterr().out
