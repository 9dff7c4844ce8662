"""Weights are taken where they lie: a commit, the newest of a training, a Hugging Face folder."""

import hashlib
from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import Mesh, Model
from lwm_trainer.convert.errors import WrongArgumentError, WrongStepFolderError
from lwm_trainer.convert.step_folder import write_step
from lwm_trainer.sampling.load import default_mesh, load_tokenizer, require_mesh
from lwm_trainer.sampling.weights import newest_commit, open_weights
from support.byte_tokenizer import byte_tokenizer_json
from support.tiny_models import one_device_mesh, random_params, streamed

MODEL = Model(layers=1, width=16, heads=2, kv_heads=1, head_dim=8, mlp_width=16, vocab_size=264)


def write_commit(folder: Path, tokenizer: str | None = None) -> Path:
    sha = None if tokenizer is None else hashlib.sha256(tokenizer.encode()).hexdigest()
    manifest = ModelManifest(model=MODEL, context_length=64, rope_theta=500.0, tokenizer_sha256=sha)
    write_step(str(folder), streamed(random_params(MODEL, one_device_mesh())), manifest)
    return folder


def test_parameters_of_a_commit_are_those_that_were_written(tmp_path: Path) -> None:
    weights = open_weights(str(write_commit(tmp_path / "7")))
    assert (weights.model, weights.rope_theta, weights.context_length) == (MODEL, 500.0, 64)
    loaded = weights.load(MODEL, one_device_mesh())
    jax.tree.map(np.testing.assert_array_equal, loaded, random_params(MODEL, one_device_mesh()))


def test_of_a_training_the_newest_commit_of_the_last_stage_and_attempt_counts(tmp_path: Path) -> None:
    for name in ("s1-first/a1/9", "s2-second/a1/4", "s2-second/a2/3", "s2-second/a2/12", "s10-tenth/a1"):
        (tmp_path / name).mkdir(parents=True)
    for step in tmp_path.glob("s*/a*/[0-9]*"):
        (step / "_CHECKPOINT_METADATA").write_text("{}")
    assert newest_commit(str(tmp_path)).endswith("s2-second/a2/12"), "stage 10 has no commit"
    assert newest_commit(str(tmp_path), "first").endswith("s1-first/a1/9")
    assert newest_commit(str(tmp_path / "s1-first")).endswith("a1/9")
    with pytest.raises(WrongArgumentError, match=r"--stage third: .* use one of first, second, tenth"):
        newest_commit(str(tmp_path), "third")


def test_a_place_without_weights_is_named_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(WrongArgumentError, match="nowhere: there is no such folder"):
        open_weights(str(tmp_path / "nowhere"))
    with pytest.raises(WrongArgumentError, match="has no commit of a training, no params/ and no config"):
        open_weights(str(tmp_path))
    commit = write_commit(tmp_path / "7")
    next(commit.glob("params/d/*")).unlink()
    with pytest.raises(WrongStepFolderError, match="is missing"):
        open_weights(str(commit))


def test_the_tokenizer_must_be_the_one_of_the_checkpoint(tmp_path: Path) -> None:
    weights = open_weights(str(write_commit(tmp_path / "7", byte_tokenizer_json())))
    own, other = tmp_path / "own.json", tmp_path / "other.json"
    own.write_text(byte_tokenizer_json())
    other.write_text(byte_tokenizer_json("<x>"))
    assert load_tokenizer(weights, str(own)).end_id == 257
    with pytest.raises(WrongArgumentError, match=r"other\.json: is not the tokenizer of"):
        load_tokenizer(weights, str(other))
    with pytest.raises(WrongArgumentError, match="has no tokenizer with it: give --tokenizer FILE"):
        load_tokenizer(weights, None)


def test_a_mesh_fits_model_and_devices() -> None:
    assert default_mesh(MODEL, 8) == Mesh(sp=8, ulysses=1)
    assert default_mesh(MODEL.model_copy(update={"width": 12}), 8) == Mesh(dp=2, sp=4, ulysses=1)
    require_mesh(MODEL, Mesh(sp=8))
    with pytest.raises(WrongArgumentError, match=r"--mesh: mesh: .* = 4 devices, but the accelerator has 8"):
        require_mesh(MODEL, Mesh(sp=4))
    with pytest.raises(WrongArgumentError, match=r"--mesh: mesh.tp: 8 does not divide model.heads 2"):
        require_mesh(MODEL, Mesh(tp=8))
