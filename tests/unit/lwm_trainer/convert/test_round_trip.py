"""Hugging Face to ours and back, bit by bit, and the logits on the way: transformers' own, which tests/convert/reference.py wrote."""

import json
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import tensorstore
from safetensors import safe_open
from safetensors.numpy import save_file

from convert.ours import logits
from devcluster.paths import REPOSITORY
from lwm_trainer.config import ExitCode
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.hf_read import INDEX, SINGLE
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.step_folder import StepFolder

MODELS = REPOSITORY / "tests" / "convert"
NAMES = ("grouped", "llama2", "llama31", "tied", "wide_heads")


def tensors(folder: Path) -> dict[str, np.ndarray]:
    result: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "np") as opened:
            assert opened.metadata() == {"format": "pt"}, "transformers 4 refuses a file without"
            result |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    return result


def there_and_back(folder: Path, tmp_path: Path, *options: str) -> Path:
    assert main(["from-hf", str(folder), str(tmp_path / "ours" / "0")]) == 0
    assert main(["to-hf", str(tmp_path / "ours" / "0"), str(tmp_path / "back"), *options]) == 0
    return tmp_path / "back"


def same(theirs: dict[str, np.ndarray], back: dict[str, np.ndarray]) -> None:
    assert theirs.keys() == back.keys()
    for name, tensor in theirs.items():
        assert tensor.dtype == back[name].dtype, name
        assert tensor.shape == back[name].shape, name
        assert tensor.tobytes() == back[name].tobytes(), name


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_comes_back_bit_for_bit_and_so_does_the_config(name: str, tmp_path: Path) -> None:
    """Fails when `theirs` no longer makes its transposes contiguous: safetensors then writes their bytes as they lie."""
    back = there_and_back(MODELS / name, tmp_path)
    same(tensors(MODELS / name), tensors(back))
    theirs, ours = (json.loads((folder / "config.json").read_bytes()) for folder in (MODELS / name, back))
    without_tokenizer = {"bos_token_id": None, "eos_token_id": None}
    assert {key: ours[key] for key in theirs if key in ours} == {
        key: value for key, value in (theirs | without_tokenizer).items() if key in ours
    }
    assert ours["rope_theta"] == theirs["rope_parameters"]["rope_theta"], "transformers 4 reads the old style only"
    assert (ours["rope_scaling"] or {"rope_type": "default"})["rope_type"] == theirs["rope_parameters"]["rope_type"]


@pytest.mark.parametrize(("options", "stored"), [((), "bfloat16"), (("--dtype", "float32"), "float32")])
def test_bfloat16_comes_back_bit_for_bit_and_stays_so_unless_another_type_is_given(
    options: tuple[str, ...], stored: str, tmp_path: Path
) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(MODELS / "wide_heads", folder)
    message = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(message | {"dtype": "bfloat16"}))
    rounded = {name: tensor.astype(jnp.bfloat16) for name, tensor in tensors(folder).items()}
    save_file(rounded, folder / SINGLE, metadata={"format": "pt"})
    step = tmp_path / "ours" / "0"
    assert main(["from-hf", str(folder), str(step), *options]) == 0
    parameter = model_parameters(read_config(folder / "config.json").model)[0]
    assert StepFolder(str(step)).layer(parameter, 0).dtype == jnp.dtype(stored)
    base = {"driver": "file", "path": f"{step}/params/"}
    for inner in ("mlp.up", "attention_norm.scale"):
        store = {"driver": "ocdbt", "base": base, "path": f"layers.{inner}/"}
        array = tensorstore.open({"driver": "zarr", "kvstore": store}, open=True).result()
        assert array.chunk_layout.write_chunk.to_json()["shape"][0] == 1, "an export reads each layer by itself"
    assert main(["to-hf", str(step), str(tmp_path / "back")]) == 0
    same(rounded, tensors(tmp_path / "back"))


def test_shards_and_their_index_hold_what_a_single_file_held_and_are_read_again(tmp_path: Path) -> None:
    back = there_and_back(MODELS / "grouped", tmp_path, "--shard-size", "2e-5")
    index = json.loads((back / INDEX).read_bytes())
    files = sorted(path.name for path in back.glob("*.safetensors"))
    assert len(files) > 1
    assert files[-1] == f"model-{len(files):05}-of-{len(files):05}.safetensors"
    whole = tensors(MODELS / "grouped")
    assert index["metadata"] == {
        "total_size": sum(t.nbytes for t in whole.values()),
        "total_parameters": sum(t.size for t in whole.values()),
    }
    assert index["weight_map"].keys() == whole.keys()
    assert all(name in tensors_of(back / file) for name, file in index["weight_map"].items())
    assert max(sum(t.nbytes for t in tensors_of(back / file).values()) for file in files) <= 20_000
    same(whole, tensors(there_and_back(back, tmp_path / "again")))


def tensors_of(file: Path) -> dict[str, np.ndarray]:
    with safe_open(file, "np") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def test_theta_is_given_on_the_command_line(tmp_path: Path) -> None:
    message = json.loads((there_and_back(MODELS / "llama2", tmp_path, "--theta", "1e6") / "config.json").read_bytes())
    assert message["rope_theta"] == message["rope_parameters"]["rope_theta"] == 1e6


@pytest.mark.parametrize(
    ("option", "value"),
    [("--theta", "nan"), ("--theta", "inf"), ("--theta", "0"), ("--theta", "-1e6"), ("--shard-size", "nan")]
    + [("--shard-size", size) for size in ("0", "-1", "inf", "1e300", "1e-9")],
)
def test_numbers_that_make_no_sense_are_refused(option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["to-hf", str(tmp_path / "0"), str(tmp_path / "out"), f"{option}={value}"]) == ExitCode.BAD_ARGUMENTS
    assert f"{option} {float(value)}: give a number" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_step_folder_without_an_average_says_so_when_it_is_to_be_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["from-hf", str(MODELS / "grouped"), str(tmp_path / "0")]) == 0
    assert main(["to-hf", str(tmp_path / "0"), str(tmp_path / "out"), "--ema"]) != 0
    assert (
        "has no average of parameters: leave out --ema, or name a step folder of a stage with optimizer.emaDecay" in capsys.readouterr().err
    )


def test_paths_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    same(tensors(MODELS / "tied"), tensors(there_and_back(MODELS / "tied", Path("here"))))


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    assert main(["from-hf", str(MODELS / name), str(tmp_path / "0")]) == 0
    with np.load(MODELS / name / "logits.npz") as reference:
        tokens, wanted = reference["tokens"], reference["logits"]
    assert np.abs(wanted).max() > 1, "a model that says something"
    np.testing.assert_allclose(logits(str(tmp_path / "0"), tokens), wanted, atol=2e-4)
