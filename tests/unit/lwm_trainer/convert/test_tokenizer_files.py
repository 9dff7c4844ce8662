"""An exported model keeps who it is: begin and end tokens, chat templates, what ends a generation."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models

from lwm_trainer.config import ExitCode
from lwm_trainer.convert.__main__ import main
from unit.lwm_trainer.convert.test_round_trip import MODELS

WORDS = ("<pad>", "<unk>", "<x>", "<|begin|>", "<|end|>", "<|turn|>", "stone", "mill")
NAMES = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A step folder whose model came without a tokenizer."""
    folder = tmp_path_factory.mktemp("imported") / "0"
    assert main(["from-hf", str(MODELS / "llama2"), str(folder)]) == 0
    return folder


def a_tokenizer(folder: Path, words: tuple[str, ...] = WORDS, **beside: JSON) -> Path:
    """A tokenizer.json, and JSON files beside it by their name without the suffix."""
    folder.mkdir()
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))  # noqa: S106 - a piece
    made.add_special_tokens(list(WORDS[:6]))
    made.save(str(folder / "tokenizer.json"))
    for name, content in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder / "tokenizer.json"


def export(step: Path, tokenizer: Path, *options: str) -> int:
    return main(["to-hf", str(step), str(tokenizer.parent / "out"), "--tokenizer", str(tokenizer), *options])


def read(tokenizer: Path, name: str) -> JSON:
    content: JSON = json.loads((tokenizer.parent / "out" / name).read_bytes())
    return content


def refused(step: Path, tokenizer: Path, capsys: pytest.CaptureFixture[str], code: ExitCode) -> str:
    assert export(step, tokenizer) == code
    assert not (tokenizer.parent / "out").exists()
    return capsys.readouterr().err


def test_ends_and_chat_template_are_those_of_the_tokenizer(imported: Path, tmp_path: Path) -> None:
    tokenizer = a_tokenizer(tmp_path / "t", tokenizer_config=NAMES | {"chat_template": "{{ messages }}", "model_max_length": 64, "x": None})
    assert export(imported, tokenizer) == 0
    assert (tmp_path / "t" / "out" / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    ids = {"bos_token_id": 3, "eos_token_id": 4}
    assert ids.items() <= read(tokenizer, "config.json").items()
    assert read(tokenizer, "generation_config.json") == ids
    written = read(tokenizer, "tokenizer_config.json")
    assert written == NAMES | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{{ messages }}",
        "model_max_length": 256,
    }


def test_ends_that_no_file_names_are_those_of_the_training(imported: Path, tmp_path: Path) -> None:
    words = ("<unk>", "<|end_of_text|>", "<|begin_of_text|>")
    tokenizer = a_tokenizer(tmp_path / "t", words)
    assert export(imported, tokenizer) == 0
    assert {"bos_token_id": 2, "eos_token_id": 1}.items() <= read(tokenizer, "config.json").items()
    written = read(tokenizer, "tokenizer_config.json")
    assert (written["bos_token"], written["eos_token"]) == ("<|begin_of_text|>", "<|end_of_text|>")


def test_chat_templates_in_files_of_their_own_come_along(imported: Path, tmp_path: Path) -> None:
    tokenizer = a_tokenizer(tmp_path / "t", tokenizer_config=NAMES)
    (tmp_path / "t" / "chat_template.jinja").write_text("é {{ messages }}\n")
    (tmp_path / "t" / "additional_chat_templates").mkdir()
    (tmp_path / "t" / "additional_chat_templates" / "tools.jinja").write_text("{{ tools }}")
    assert export(imported, tokenizer) == 0
    out = tmp_path / "t" / "out"
    assert (out / "chat_template.jinja").read_text() == "é {{ messages }}\n"
    assert (out / "additional_chat_templates" / "tools.jinja").read_text() == "{{ tools }}"


def test_a_generation_also_ends_at_the_models_own_end_of_turn(imported: Path, tmp_path: Path) -> None:
    tokenizer = a_tokenizer(tmp_path / "t", tokenizer_config=NAMES, generation_config={"eos_token_id": [5, 4], "temperature": 0.6})
    assert export(imported, tokenizer) == 0
    assert read(tokenizer, "generation_config.json") == {"bos_token_id": 3, "eos_token_id": [4, 5], "temperature": 0.6}


@pytest.mark.parametrize("ends", [64, -1, "4", [4, True], 4.0])
def test_a_generation_config_of_another_model_is_refused(
    ends: Any, imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = a_tokenizer(tmp_path / "t", tokenizer_config=NAMES, generation_config={"eos_token_id": ends})
    message = refused(imported, tokenizer, capsys, ExitCode.BAD_DATA)
    assert f"generation_config.json: eos_token_id is {ends}, but the model has tokens 0 to 63" in message


def test_without_a_tokenizer_no_ends_are_made_up(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["to-hf", str(imported), str(tmp_path / "out")]) == 0
    content = json.loads((tmp_path / "out" / "config.json").read_bytes())
    assert (content["bos_token_id"], content["eos_token_id"]) == (None, None), "transformers takes 1 and 2 for a missing field"
    assert "no --tokenizer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("tokenizer.model", b"\x0a\x0e\x0a\x05<unk>", ExitCode.BAD_ARGUMENTS, "is not a tokenizer.json"),
        ("tokenizer.json", b"\x0a\x0e\x0a\x05<unk>", ExitCode.BAD_DATA, "not a tokenizer.json"),
        ("tokenizer.json", b"{}", ExitCode.BAD_DATA, "not a tokenizer.json"),
        ("tokenizer.json", None, ExitCode.BAD_ARGUMENTS, "not found"),
    ],
)
def test_what_is_no_tokenizer_is_refused_before_anything_is_written(
    name: str, content: bytes | None, code: ExitCode, message: str, imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    error_line = refused(imported, tmp_path / name, capsys, code)
    assert message in error_line
    assert str(tmp_path / name) in error_line


def test_a_folder_is_no_tokenizer(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a folder: name the tokenizer.json in it" in refused(imported, tmp_path, capsys, ExitCode.BAD_ARGUMENTS)


def test_a_tokenizer_with_more_pieces_than_the_model_is_refused(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = a_tokenizer(tmp_path / "t", (*WORDS, *map(str, range(60))), tokenizer_config=NAMES)
    assert "has 68 pieces, but the model has 64" in refused(imported, tokenizer, capsys, ExitCode.BAD_DATA)


def test_the_tokenizer_of_another_model_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = a_tokenizer(tmp_path / "own", tokenizer_config=NAMES)
    for file in (MODELS / "llama2").iterdir():
        (own.parent / file.name).write_bytes(file.read_bytes())
    assert main(["from-hf", str(own.parent), str(tmp_path / "0")]) == 0
    other = a_tokenizer(tmp_path / "other", WORDS[::-1], tokenizer_config=NAMES)
    assert "is not the tokenizer of this checkpoint" in refused(tmp_path / "0", other, capsys, ExitCode.BAD_DATA)
    assert export(tmp_path / "0", own) == 0


@pytest.mark.parametrize("content", ["[1]", '{"eos_token": "<|end|>", "eos_token": "<x>"}', '{"eos_token": '])
def test_a_broken_tokenizer_config_is_refused(content: str, imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = a_tokenizer(tmp_path / "t")
    (tmp_path / "t" / "tokenizer_config.json").write_text(content)
    assert "t/tokenizer_config.json: " in refused(imported, tokenizer, capsys, ExitCode.BAD_DATA)
