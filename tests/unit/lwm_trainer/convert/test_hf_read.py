"""What is refused, by the file, the tensor or field, and the fix; nothing is written then."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lwm_trainer.config import ExitCode
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.hf_read import INDEX, SINGLE
from unit.lwm_trainer.convert.test_round_trip import MODELS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(MODELS / "llama31", tmp_path / "theirs")
    return tmp_path / "theirs"


def change(folder: Path, **fields: Any) -> None:
    content = json.loads((folder / "config.json").read_bytes()) | fields
    (folder / "config.json").write_text(json.dumps(content))


def refused(folder: Path, capsys: pytest.CaptureFixture[str], code: ExitCode = ExitCode.BAD_DATA) -> str:
    out = folder.parent / "out"
    assert main(["from-hf", str(folder), str(out)]) == code
    assert not out.exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("attention_bias", True, "attention_bias is True"),
        ("mlp_bias", True, "mlp_bias is True"),
        ("pretraining_tp", 2, "pretraining_tp is 2"),
        ("hidden_act", "gelu", "hidden_act is gelu"),
        ("quantization_config", {"bits": 4}, "quantization_config is"),
        ("architectures", ["MistralForCausalLM"], r"architectures is ['MistralForCausalLM']"),
        ("model_type", "qwen2", "model_type qwen2"),
        ("rope_theta", 1e4, "rope_parameters disagrees with rope_theta and rope_scaling"),
        ("rope_scaling", {"type": "linear", "factor": 2.0}, "rope_scaling.rope_type is linear"),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4}, "rope_parameters.rope_type is yarn"),
        ("rope_parameters", {"rope_type": "llama3", "rope_theta": 1e4}, "rope_parameters has no factor"),
        ("num_hidden_layers", -1, "num_hidden_layers is -1: "),
        ("num_hidden_layers", 1, "tensor model.layers.1.input_layernorm.weight and 8 more do not belong to this model"),
        ("num_hidden_layers", 3, "no file has tensor model.layers.2."),
        ("intermediate_size", 48, "mlp.down_proj.weight is (32, 40), but config.json makes it (32, 48)"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_its_field(
    field: str, value: Any, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder, **{field: value})
    error_line = refused(folder, capsys)
    assert message in error_line
    assert str(folder) in error_line


def test_both_styles_that_agree_are_read_and_the_old_alone_too(folder: Path) -> None:
    new = json.loads((folder / "config.json").read_bytes())["rope_parameters"]
    read = read_config(folder / "config.json")
    scaling = {key: value for key, value in new.items() if key not in ("rope_theta", "rope_type")}
    change(folder, rope_theta=5e5, rope_scaling=scaling | {"type": "llama3"})
    assert read_config(folder / "config.json") == read
    change(folder, rope_parameters=None)
    assert read_config(folder / "config.json") == read
    change(folder, rope_scaling=None)
    assert read_config(folder / "config.json").model.rope_scaling is None


def test_a_file_cut_short_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = (folder / SINGLE).read_bytes()
    (folder / SINGLE).write_bytes(content[: len(content) // 2])
    assert f"{folder / SINGLE}: truncated" in refused(folder, capsys)


def test_a_missing_tensor_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = load_file(folder / SINGLE)
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / SINGLE)
    assert "no file has tensor model.layers.1.mlp.up_proj.weight" in refused(folder, capsys)


def test_a_tensor_in_eight_bits_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = load_file(folder / SINGLE)
    save_file(tensors | {"model.norm.weight": tensors["model.norm.weight"].astype(np.int8)}, folder / SINGLE)
    assert "tensor model.norm.weight is I8" in refused(folder, capsys)


def test_a_missing_shard_is_named_and_an_index_cannot_leave_its_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / SINGLE).unlink()
    assert f"has neither {SINGLE} nor {INDEX}" in refused(folder, capsys)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"x": "model-00001-of-00001.safetensors"}}))
    assert "model-00001-of-00001.safetensors: " in refused(folder, capsys)
    (folder / INDEX).write_text(json.dumps({"weight_map": {"x": "../secret"}}))
    assert "lies outside the folder" in refused(folder, capsys)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "this is a pointer of Git LFS, not the file itself"),
        (b"<!DOCTYPE html><title>Log in</title>", "this is a page of HTML"),
        (b"PK\x03\x04" + bytes(40), "this is a zip archive, such as torch.save"),
        (b"", "this is an empty file"),
        (bytes(40), "truncated or no safetensors file"),
    ],
)
def test_a_shard_that_is_something_else_is_named_as_that(
    content: bytes, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / SINGLE).write_bytes(content)
    assert f"{folder / SINGLE}: {message}" in refused(folder, capsys)


def test_a_shard_that_cannot_be_read_is_not_called_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / SINGLE).unlink()
    (folder / SINGLE).mkdir()
    assert f"{folder / SINGLE}: cannot be read: Is a directory" in refused(folder, capsys)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("pytorch_model-00001-of-00002.bin", "a pickle of PyTorch"),
        ("consolidated.00.pth", "a pickle of PyTorch, in Meta's layout"),
        ("model.Q4_K_M.gguf", "a GGUF file of llama.cpp"),
        ("flax_model.msgpack", "Flax's msgpack"),
    ],
)
def test_a_folder_without_safetensors_is_told_by_what_it_has(
    name: str, kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / SINGLE).rename(folder / name)
    assert f"has neither {SINGLE} nor {INDEX}, but {name}, which is {kind}: " in refused(folder, capsys)


def test_a_file_is_no_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is a file, a safetensors file: give the folder" in refused(folder / SINGLE, capsys)
    assert "not found: give the folder" in refused(folder / "nothing", capsys)


@pytest.mark.parametrize("weight_map", [[], {}, None, "x", {"x": 1}, {"x": ["model.safetensors"]}])
def test_an_index_that_maps_nothing_is_refused(weight_map: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / SINGLE).unlink()
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    assert f"{folder / INDEX}: has no weight_map" in refused(folder, capsys)


def test_nothing_is_written_over_and_a_folder_of_something_else_is_no_step_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["from-hf", str(folder), str(folder)]) == ExitCode.BAD_ARGUMENTS
    assert "exists already" in capsys.readouterr().err
    assert main(["to-hf", str(folder), str(tmp_path / "new")]) == ExitCode.BAD_CHECKPOINT
    assert "not a step folder" in capsys.readouterr().err


def test_a_step_folder_that_lost_a_file_is_refused_before_anything_is_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["from-hf", str(folder), str(tmp_path / "0")]) == 0
    largest = max((tmp_path / "0" / "params").rglob("d/*"), key=lambda file: file.stat().st_size)
    largest.unlink()
    assert main(["to-hf", str(tmp_path / "0"), str(tmp_path / "new")]) == ExitCode.BAD_CHECKPOINT
    assert f"{tmp_path}/0: {largest.relative_to(tmp_path / '0')} is missing: copy it again" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_what_the_file_system_refuses_ends_with_its_code_and_a_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["from-hf", str(folder), str(folder / SINGLE / "out")]) != 0
    assert capsys.readouterr().err.splitlines()[-1].startswith("convert: ")
