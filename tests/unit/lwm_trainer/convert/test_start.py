"""A stage starts from a converted model, whatever dtype it lies in."""

import hashlib
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.checkpoint.checkpointer import restore_params
from lwm_trainer.checkpoint.manifest import read_model_manifest
from lwm_trainer.config import Mesh
from lwm_trainer.convert.__main__ import main
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.step.train_step import make_program
from support.builders import a_run
from unit.lwm_trainer.convert.test_round_trip import MODELS, tensors


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_stage_restores_a_converted_model_onto_its_mesh_in_float32(dtype: str, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(MODELS / "grouped", folder)
    (folder / "tokenizer.json").write_text("{}")
    assert main(["from-hf", str(folder), str(tmp_path / "0"), "--dtype", dtype]) == 0
    manifest = read_model_manifest(str(tmp_path / "0"))
    assert manifest.source == "huggingface:theirs"
    sha = hashlib.sha256(b"{}").hexdigest()
    assert manifest.tokenizer_sha256 == sha
    run = a_run(model=manifest.model, mesh=Mesh(fsdp=8))
    abstract = make_program(run, make_mesh(run.mesh)).abstract_state["params"]
    params = restore_params(run, sha, str(tmp_path / "0"), abstract)
    assert jax.tree.map(lambda x: (x.shape, x.dtype, x.sharding), params) == jax.tree.map(
        lambda x: (x.shape, x.dtype, x.sharding), abstract
    )
    wanted = tensors(folder)["model.embed_tokens.weight"].astype(dtype).astype(np.float32)
    np.testing.assert_array_equal(params["ends"]["embedding"], wanted)
