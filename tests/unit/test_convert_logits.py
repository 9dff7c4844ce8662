"""The logits of converted models are transformers' own (tests/convert/reference.py wrote those down)."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lwm_trainer.checkpoint import read_model_manifest
from lwm_trainer.convert.__main__ import main
from lwm_trainer.convert.names import Leaf, leaves
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.model import llama
from unit.test_convert_round_trip import MODELS, NAMES
from unit.test_llama import hidden


def logits(folder: Path, tokens: np.ndarray) -> jax.Array:
    """Of the converted model in this step folder."""
    manifest, step = read_model_manifest(str(folder)), StepFolder(str(folder))
    model = manifest.model

    def whole(leaf: Leaf) -> np.ndarray:
        return step.layer(leaf, 0) if leaf.layers is None else np.stack([step.layer(leaf, layer) for layer in range(leaf.layers)])

    params = jax.tree.unflatten(jax.tree.structure(llama.abstract(model)), [whole(leaf) for leaf in leaves(model)])
    stream = hidden(params, jnp.asarray(tokens), manifest.rope_theta, model)
    return stream @ llama.head(model, params)


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    assert main(["from-hf", str(MODELS / name), str(tmp_path / "0")]) == 0
    with np.load(MODELS / name / "logits.npz") as reference:
        tokens, wanted = reference["tokens"], reference["logits"]
    assert np.abs(wanted).max() > 1, "a model that says something"
    np.testing.assert_allclose(logits(tmp_path / "0", tokens), wanted, atol=2e-4)
