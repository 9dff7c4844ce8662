"""What a manifest says of the data position over rollbacks, and what is compared before parameters are restored."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from lwm_trainer.checkpoint.checkpointer import SAME_STAGE, restore_params
from lwm_trainer.checkpoint.manifest import (
    Manifest,
    ModelManifest,
    make_manifest,
    parse_model_manifest,
    read_model_manifest,
    require_equal,
)
from lwm_trainer.config import Rollback, RunConfig, Start
from lwm_trainer.runtime.errors import CheckpointMismatchError
from support.builders import a_run

RUN = a_run()
PARAMS = {"ends": {"embedding": np.arange(6, dtype=np.float32).reshape(3, 2)}}


def saved(folder: Path, manifest: ModelManifest, params: Any = PARAMS) -> str:
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        parts = {"params": ocp.args.StandardSave(params), "manifest": ocp.args.JsonSave(manifest.model_dump(mode="json", by_alias=True))}
        checkpointer.save(folder / "0", args=ocp.args.Composite(**parts))
    return str(folder / "0")


def converted(**changes: Any) -> ModelManifest:
    model = RUN.model.model_copy(update=changes)
    return ModelManifest(model=model, context_length=4096, rope_theta=5e5, export_type="bfloat16", source="/models/llama")


def restored(folder: str, run: RunConfig = RUN) -> Any:
    there = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=there), PARAMS)
    return restore_params(run, "ours", folder, abstract)


def test_a_converted_models_parameters_are_restored_though_its_tokenizer_and_type_are_not_the_runs(tmp_path: Path) -> None:
    folder = saved(tmp_path, converted())
    np.testing.assert_array_equal(restored(folder)["ends"]["embedding"], PARAMS["ends"]["embedding"])
    assert read_model_manifest(folder) == converted()


@pytest.mark.parametrize("stage", [0, 1])
def test_another_tokenizer_is_refused_once_it_is_known_and_of_the_first_stage_the_field_is_named(tmp_path: Path, stage: int) -> None:
    folder = saved(tmp_path, converted().model_copy(update={"tokenizer_sha256": "theirs"}))
    with pytest.raises(CheckpointMismatchError) as raised:
        restored(folder, a_run(stage_index=stage, stage_count=2))
    assert str(raised.value) == (
        f"{'' if stage else 'spec.model.initFrom: '}{folder}: tokenizer_sha256 is theirs in the checkpoint, but ours in this run: "
        "name by spec.tokenizer the tokenizer.json that it was made with, or start from a checkpoint of this tokenizer"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stage", [0, 1])
def test_parameters_that_are_not_finite_are_refused_by_the_name_of_the_tensor(tmp_path: Path, stage: int, value: float) -> None:
    damaged = PARAMS["ends"]["embedding"].copy()
    damaged[2, 1] = value
    folder = saved(tmp_path, make_manifest(RUN, RUN.mesh, "ours", 4), {"ends": {"embedding": damaged}})
    with pytest.raises(CheckpointMismatchError) as raised:
        restored(folder, a_run(stage_index=stage, stage_count=2))
    assert str(raised.value) == (
        f"{'' if stage else 'spec.model.initFrom: '}{folder}: ends.embedding has values that are NaN or infinite: it was saved after its"
        " training diverged, or was damaged: name an earlier checkpoint, or copy it again"
    )


def test_another_model_is_refused_by_the_first_field_that_differs(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatchError, match=r"model\.layers is 5 in the checkpoint, but 2 in this run"):
        restored(saved(tmp_path, converted(layers=5)))


def test_a_stage_continues_in_its_own_precision_only_if_the_checkpoint_tells_one(tmp_path: Path) -> None:
    mixed = make_manifest(a_run(precision={"compute": "bfloat16"}), RUN.mesh, "ours", 3)
    with pytest.raises(CheckpointMismatchError, match=r"^a1/3: precision\.compute is float32 in the checkpoint, but bfloat16 in this run"):
        require_equal("a1/3", make_manifest(RUN, RUN.mesh, "ours", 3), mixed, SAME_STAGE)
    older = make_manifest(RUN, RUN.mesh, "ours", 3).model_copy(update={"precision": None})
    require_equal("a1/3", older, mixed, SAME_STAGE)


def test_a_trainings_checkpoint_says_more(tmp_path: Path) -> None:
    manifest = read_model_manifest(saved(tmp_path, make_manifest(RUN, RUN.mesh, "ours", 3)))
    assert isinstance(manifest, Manifest)
    assert manifest.step == 3


def test_a_manifest_of_a_newer_version_is_read_without_what_is_new() -> None:
    manifest = make_manifest(RUN, RUN.mesh, "ours", 3)
    fields = manifest.model_dump(mode="json", by_alias=True)
    newer = fields | {"optimizerSteps": 9, "model": fields["model"] | {"experts": 8}}
    assert parse_model_manifest(newer, "folder") == manifest


def test_a_manifest_of_contract_version_1_is_read() -> None:
    manifest = make_manifest(RUN, RUN.mesh, "ours", 3)
    absent = {"min_reader_version", "packing", "precision", "data"}
    fields = manifest.model_dump(mode="json", by_alias=True, exclude=absent) | {"version": 1}
    saved = parse_model_manifest(fields, "folder")
    assert isinstance(saved, Manifest)
    assert (saved.step, saved.packing, saved.precision, saved.data) == (3, None, None, None)


def test_a_manifest_that_cannot_be_read_names_folder_and_field() -> None:
    fields = make_manifest(RUN, RUN.mesh, "ours", 3).model_dump(mode="json", by_alias=True)
    with pytest.raises(CheckpointMismatchError, match=r"^runs/a1/4: its manifest cannot be read: step: "):
        parse_model_manifest({**fields, "step": "three"}, "runs/a1/4")


def position(step: int, *rollbacks: Rollback) -> int:
    run = a_run(start=Start(rollbacks=rollbacks))
    return make_manifest(run, run.mesh, "", step).next_row


def test_the_position_is_the_row_after_the_last_one_drawn() -> None:
    rows = a_run().rows
    assert [position(step) for step in (0, 1, 7)] == [0, rows, 7 * rows]
    rollback = Rollback(attempt=2, step=90, skip_batches=10)
    assert position(90, rollback) == position(90) == 90 * rows, "the commit that the new line begins with is the old line's, unchanged"
    assert position(91, rollback) == 101 * rows
