"""A text model's checkpoint starts a stage of a model with a vision vocabulary."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from lwm_trainer import config
from lwm_trainer.checkpoint.checkpointer import restore_params
from lwm_trainer.checkpoint.init_from import require_init_checkpoint
from lwm_trainer.checkpoint.manifest import make_manifest
from lwm_trainer.model.llama import VISION_TABLES
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.step.train_step import TrainProgram, make_program
from support.builders import a_run

TEXT = a_run(mesh={"fsdp": 2, "sp": 2, "tp": 2}, seed=5)


def with_vision(codes: int, **changes: Any) -> config.RunConfig:
    model = TEXT.model.model_copy(update={"vision": config.Vision(vocab_size=codes)})
    return TEXT.model_copy(update={"model": model, **changes})


def program(run: config.RunConfig) -> TrainProgram:
    return make_program(run, make_mesh(run.mesh))


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any]:
    """A text model's checkpoint and its parameters, which no seed draws."""
    params = jax.tree.map(lambda x: x + 1, program(TEXT).init(jax.random.key(0))["params"])
    folder = tmp_path_factory.mktemp("text") / "1"
    manifest = make_manifest(TEXT, TEXT.mesh, "ours", 1).model_dump(mode="json", by_alias=True)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        checkpointer.save(folder, args=ocp.args.Composite(params=ocp.args.StandardSave(params), manifest=ocp.args.JsonSave(manifest)))
    return str(folder), jax.tree.map(np.asarray, params)


def test_its_tables_are_those_that_the_seed_draws_and_all_else_is_the_checkpoint_s(donor: tuple[str, Any]) -> None:
    folder, params = donor
    run = with_vision(16)
    made = program(run)
    restored = restore_params(run, "ours", folder, made.abstract_state["params"])
    drawn = made.init(jax.random.key(run.seed))["params"]["ends"]
    for name in VISION_TABLES:
        table = restored["ends"].pop(name)
        assert table.sharding == made.abstract_state["params"]["ends"][name].sharding
        np.testing.assert_array_equal(table, drawn[name])
    jax.tree.map(np.testing.assert_array_equal, restored, params)


def test_the_early_look_at_init_from_lets_it_begin(donor: tuple[str, Any]) -> None:
    require_init_checkpoint(with_vision(16, start=config.Start(stage_checkpoint=donor[0])))


def test_a_vocabulary_of_another_size_is_another_model(tmp_path: Path) -> None:
    folder, grown = tmp_path / "1", with_vision(32)
    manifest = make_manifest(grown, grown.mesh, "ours", 1).model_dump(mode="json", by_alias=True)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        arrays = ocp.args.StandardSave({"a": np.ones(3, np.float32)})
        checkpointer.save(folder, args=ocp.args.Composite(params=arrays, manifest=ocp.args.JsonSave(manifest)))
    for run, ours in ((with_vision(16), "16"), (TEXT, "None")):
        with pytest.raises(CheckpointMismatchError, match=rf"model\.vision\.vocab_size is 32 in the checkpoint, but {ours} in this run"):
            restore_params(run, "ours", str(folder), program(run).abstract_state["params"])
