"""What is said of a folder that spec.model.initFrom names and the first stage cannot begin with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orbax.checkpoint as ocp
import pytest

from lwm_trainer.checkpoint.init_from import JSON_FILES, REQUIRED, require_init_checkpoint
from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import ExitCode, Model, RunConfig, Start
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.runtime.exit_classification import classify_exception
from support.builders import a_run

MODEL = a_run().model
PARAMS = {name: np.random.default_rng(0).normal(size=2000).astype(np.float32) for name in ("a", "b")}
"""Larger than what the index holds itself."""
SCALED = {"type": "llama3", "factor": 8.0}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole one, of the builders' model."""
    folder = tmp_path_factory.mktemp("converted") / "llama"
    manifest = ModelManifest(model=MODEL, context_length=64, rope_theta=1e4).model_dump(mode="json", by_alias=True)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        arrays = ocp.args.StandardSave(PARAMS)
        checkpointer.save(folder, args=ocp.args.Composite(params=arrays, manifest=ocp.args.JsonSave(manifest)))
    return folder


def run(folder: Path, model: Model = MODEL, **changes: Any) -> RunConfig:
    return a_run(**{"model": model, "start": Start(stage_checkpoint=str(folder)), **changes})


def refusal(run: RunConfig) -> str:
    with pytest.raises(CheckpointMismatchError) as raised:
        require_init_checkpoint(run)
    classification = classify_exception(raised.value, gang=False)
    assert (classification.code, classification.unexpected) == (ExitCode.BAD_CHECKPOINT, False)
    assert classification.message.startswith("spec.model.initFrom: ")
    return classification.message


def test_a_checkpoint_of_this_model_is_fine_whatever_the_precision(checkpoint: Path) -> None:
    require_init_checkpoint(run(checkpoint))
    require_init_checkpoint(run(checkpoint, precision={"compute": "bfloat16"}))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such folder: name a folder that `lwm convert` wrote, or" in refusal(run(tmp_path / "nowhere"))


@pytest.mark.parametrize("part", REQUIRED)
def test_a_folder_without_manifest_or_arrays(checkpoint: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(checkpoint, tmp_path / "copy")
    gone = tmp_path / "copy" / part
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert f"copy: {part} is missing" in refusal(run(tmp_path / "copy"))


def test_a_manifest_that_another_version_wrote(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path / "copy")
    path = tmp_path / "copy" / "manifest" / "metadata"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"colour": "red"}))
    require_init_checkpoint(run(tmp_path / "copy"))
    path.write_text(json.dumps(manifest | {"minReaderVersion": 99}))
    assert "its manifest needs a trainer of contract version 99 or newer" in refusal(run(tmp_path / "copy"))
    path.write_text(json.dumps(manifest | {"contextLength": "long"}))
    assert "its manifest cannot be read: contextLength: Input should be a valid integer" in refusal(run(tmp_path / "copy"))


@pytest.mark.parametrize("part", JSON_FILES)
def test_what_the_checkpoint_says_of_itself_was_cut_short(checkpoint: Path, tmp_path: Path, part: str) -> None:
    shutil.copytree(checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / part).write_text("{")
    assert f"copy: {part} is not JSON" in refusal(run(tmp_path / "copy"))


def complaint(folder: Path) -> str | None:
    try:
        require_init_checkpoint(run(folder))
    except CheckpointMismatchError as error:
        return str(error)
    return None


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


@pytest.mark.parametrize("lose", [Path.unlink, cut])
def test_a_copy_that_lost_any_file_is_refused_or_can_be_restored_all_the_same(
    checkpoint: Path, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    refused = []
    for file in (path.relative_to(checkpoint) for path in sorted((checkpoint / "params").rglob("*")) if path.is_file()):
        copy = tmp_path / str(file).replace("/", "-")
        shutil.copytree(checkpoint, copy)
        lose(copy / file)
        if (message := complaint(copy)) is not None:
            assert message.startswith(f"spec.model.initFrom: {copy}: {file} "), "the file is named"
            refused.append(file)
            continue
        with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
            restored = checkpointer.restore(copy, args=ocp.args.Composite(params=ocp.args.StandardRestore(PARAMS))).params
        assert all(np.array_equal(restored[name], PARAMS[name]) for name in PARAMS), file
    assert sum(1 for file in refused if file.is_relative_to("params/ocdbt.process_0/d")) >= 1, "arrays"
    assert sum(1 for file in refused if file.is_relative_to("params/d")) == 1, "their index"


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        ({"heads": 2}, "model.heads is 4 there, but 2 in this training: create the training anew with spec.model.heads"),
        ({"kv_heads": 4, "tied_embeddings": True}, "model.kvHeads is 2 there, but 4 in this training"),
        ({"rope_scaling": SCALED}, "model.ropeScaling.type is absent there, but llama3 in this training"),
    ],
)
def test_another_model_is_named_by_its_first_field_that_differs(checkpoint: Path, ours: dict[str, Any], words: str) -> None:
    assert words in refusal(run(checkpoint, Model.model_validate(MODEL.model_dump() | ours)))


def test_who_begins_with_something_else_does_not_need_it(tmp_path: Path) -> None:
    gone, root = tmp_path / "nowhere", {"root": str(tmp_path), "save_interval_steps": 1}
    require_init_checkpoint(run(gone, stage_index=1, stage_count=2))
    (tmp_path / "s1-s" / "a1" / "10").mkdir(parents=True)
    (tmp_path / "s1-s" / "a1" / "10" / "commit_success.txt").write_text("")
    start = Start(earlier_attempts=(1,), stage_checkpoint=str(gone))
    require_init_checkpoint(run(gone, checkpoint=root, attempt=2, start=start))
