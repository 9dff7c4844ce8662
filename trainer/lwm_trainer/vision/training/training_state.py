"""Checkpoints of a tokenizer's training: one safetensors file that replaces the one before as a whole."""

import json
from typing import Any

import jax
import numpy as np
from safetensors.numpy import load, save

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.folder import Folder
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.training_step import TrainingState

CHECKPOINT, RECIPE = "checkpoint.safetensors", "recipe.json"


def save_state(files: Folder, state: TrainingState) -> None:
    """Write the checkpoint. Raises the errors of storage."""
    files.write(CHECKPOINT, save({name: np.asarray(leaf) for name, leaf in _named(state).items()}))


def restore_state(files: Folder, recipe: TrainingRecipe, fresh: TrainingState, trunk_digest: str = "") -> TrainingState | None:
    """The state of the checkpoint in the folder, or None where there is none yet; notes the recipe there.

    Args:
        fresh: a state of this recipe, for its structure.
        trunk_digest: SHA-256 of the perceptual loss's weights; empty without.

    Raises DataCorruptError where another recipe was trained in the folder, or the checkpoint is damaged.
    """
    ours, theirs = recipe.model_dump(mode="json", by_alias=True, exclude_none=True), files.read(RECIPE)
    if trunk_digest:
        ours["perceptual"]["digest"] = trunk_digest
    if theirs is None:
        files.write(RECIPE, json.dumps(ours, indent=2).encode())
    elif json.loads(theirs) != ours:
        names = sorted(ours.keys() | json.loads(theirs).keys())
        fields = [name for name in names if json.loads(theirs).get(name) != ours.get(name)]
        raise DataCorruptError(f"{files.uri}/{RECIPE}: another recipe was trained there ({', '.join(fields)} differ): give another folder")
    content = files.read(CHECKPOINT)
    if content is None:
        return None
    names, structure = list(_named(fresh)), jax.tree.structure(fresh)
    try:
        arrays = load(content)
        state: TrainingState = jax.tree.unflatten(structure, [jax.numpy.asarray(arrays[name]) for name in names])
    except Exception as error:  # of safetensors, or a missing name
        raise DataCorruptError(f"{files.uri}/{CHECKPOINT}: damaged ({error}): remove it to begin anew") from error
    return state


def _named(state: TrainingState) -> dict[str, Any]:
    """The arrays of a state by the paths that lead to them."""
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(state)}
