"""What an export refuses: values that no training and no generation recovers from."""

from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import ExitCode
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.placement import load_parameters
from lwm_trainer.convert.step_folder import write_step
from support.tiny_models import one_device_mesh, streamed
from unit.lwm_trainer.convert.test_round_trip import MODELS

FOLDER = MODELS / "wide_heads"


def write_with(value: float, out: Path) -> tuple[str, int]:
    """Write a step folder in which one value of layer 1's up projection is `value`; returns the array's name and a layer's size."""
    config = read_config(FOLDER / "config.json")
    params = load_parameters(config.model, HuggingFaceFolder(FOLDER), one_device_mesh(), "float32", lambda size: None)
    leaves = dict(jax.tree_util.tree_leaves_with_path(params))
    path = next(path for path in leaves if "up" in jax.tree_util.keystr(path))
    first = (1,) + (0,) * (leaves[path].ndim - 1)
    changed = jax.tree_util.tree_map_with_path(lambda at, array: array.at[first].set(value) if at == path else array, params)
    manifest = ModelManifest(model=config.model, context_length=64, rope_theta=10000.0, export_type="float32", source="a")
    write_step(str(out), streamed(changed), manifest)
    return ".".join(str(key.key) for key in path), int(np.prod(leaves[path].shape[1:]))


@pytest.mark.parametrize(
    ("value", "dtype", "count", "fix"),
    [
        (float("nan"), "float32", "1 are NaN and 0 infinite", "take an earlier checkpoint, or copy it again"),
        (float("-inf"), "bfloat16", "0 are NaN and 1 infinite", "take an earlier checkpoint, or copy it again"),
        (3.4e38, "bfloat16", "0 are NaN and 1 infinite as bfloat16", "convert with --dtype float32"),
    ],
)
def test_values_that_are_not_finite_are_refused_with_their_array_and_layer(
    value: float, dtype: str, count: str, fix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, size = write_with(value, tmp_path / "0")
    assert main(["to-hf", str(tmp_path / "0"), str(tmp_path / "out"), "--dtype", dtype]) == ExitCode.BAD_CHECKPOINT
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "infinite" in line]
    assert f"{tmp_path}/0/params: {name}, layer 1: of {size} values, {count}" in line
    assert line.endswith(fix)
    assert not (tmp_path / "out" / "config.json").exists(), "a folder without it is incomplete"


def test_the_largest_value_of_float32_is_written_as_float32(tmp_path: Path) -> None:
    write_with(3.4e38, tmp_path / "0")
    assert main(["to-hf", str(tmp_path / "0"), str(tmp_path / "out"), "--dtype", "float32"]) == ExitCode.COMPLETE
    assert (tmp_path / "out" / "config.json").exists()
