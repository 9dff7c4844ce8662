"""Checkpoints of a tokenizer's training: what another recipe and damage are called."""

from pathlib import Path

import jax
import numpy as np
import pytest

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.folder import folder
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.training_state import CHECKPOINT, restore_state, save_state
from lwm_trainer.vision.training.training_step import init_state
from support.tiny_vqgan import TINY

RECIPE = TrainingRecipe(tokenizer=TINY, steps=40, batch=4)


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    files, state = folder(str(tmp_path)), init_state(RECIPE)
    assert restore_state(files, RECIPE, state) is None
    state["step"] = state["step"] + 7
    save_state(files, state)
    restored = restore_state(files, RECIPE, init_state(RECIPE))
    assert restored is not None
    jax.tree.map(np.testing.assert_array_equal, restored, state)


def test_another_recipe_and_a_damaged_checkpoint_are_refused(tmp_path: Path) -> None:
    files, state = folder(str(tmp_path)), init_state(RECIPE)
    restore_state(files, RECIPE, state)
    with pytest.raises(DataCorruptError, match=r"recipe.json: another recipe was trained there \(seed, steps differ\)"):
        restore_state(files, RECIPE.model_copy(update={"steps": 1, "seed": 1}), state)
    files.write(CHECKPOINT, b"damaged")
    with pytest.raises(DataCorruptError, match=r"checkpoint.safetensors: damaged .*: remove it to begin anew"):
        restore_state(files, RECIPE, state)
