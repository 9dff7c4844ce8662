"""`lwm vision train`: pictures in, a tokenizer's file out. A killed run continues from its last checkpoint, bit for bit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from lwm_trainer.config import Mesh
from lwm_trainer.data.errors import DataError
from lwm_trainer.parallel.mesh import make_mesh
from lwm_trainer.storage.absolute import absolute_uri
from lwm_trainer.storage.folder import Folder, folder
from lwm_trainer.vision.training.crops import SOURCE_SCALE, crop_batch, load_pictures
from lwm_trainer.vision.training.perceptual import TrunkFile, read_trunk
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.training_state import restore_state, save_state
from lwm_trainer.vision.training.training_step import TrainingState, exported, init_state, train_step
from lwm_trainer.vision.weights.tokenizer_file import write_tokenizer

STEP = jax.jit(train_step, static_argnums=(0, 1))
TOKENIZER = "tokenizer.safetensors"
LINE_STEPS = 20
"""Steps between two lines of progress."""


@dataclass
class _Window:
    """Metrics since the last line."""

    losses: list[float] = field(default_factory=list)
    absolute: list[float] = field(default_factory=list)
    codes: set[int] = field(default_factory=set)
    others: dict[str, list[float]] = field(default_factory=lambda: {"perceptual": [], "adversarial": [], "discriminator": []})
    """Losses that not every step has."""

    @property
    def others_text(self) -> str:
        """Their means, each after a comma."""
        return "".join(f", {name} {np.mean(values):.4f}" for name, values in self.others.items() if values)


def train(recipe: TrainingRecipe, media: Sequence[str], out: str, save_interval_steps: int) -> str:
    """Train, or continue, in the folder `out`, on all devices of this host, each with an equal part of the crops.

    Returns the fingerprint of the tokenizer's file there, which each checkpoint replaces.

    Raises DataError for pictures or a recipe that cannot be used, or a loss that is not finite, and the errors of storage.
    """
    size = recipe.tokenizer.image_size
    mesh = make_mesh(Mesh(dp=len(jax.devices())))
    if recipe.batch % mesh.size:  # before the recipe is noted in the folder
        raise DataError(f"batch: {recipe.batch} crops do not divide among {mesh.size} devices: set a multiple of it in the recipe")
    files = folder(out)
    state = init_state(recipe)
    trunk = TrunkFile([], "") if recipe.perceptual is None else read_trunk(absolute_uri(recipe.perceptual.weights))
    restored = restore_state(files, recipe, state, trunk.digest)
    everywhere, by_rows = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("dp"))
    state = jax.device_put(state if restored is None else restored, everywhere)
    features = jax.device_put(trunk.trunk, everywhere)
    pictures = load_pictures(media, SOURCE_SCALE * size)
    print(f"{len(pictures)} pictures, from step {int(state['step'])} to {recipe.steps}", flush=True)
    window, begun = _Window(), time.monotonic()
    for number in range(int(state["step"]), recipe.steps):
        adversarial = recipe.discriminator is not None and number >= recipe.discriminator.start_step
        crops = jax.device_put(crop_batch(pictures, size, recipe.batch, recipe.seed, number), by_rows)
        state, metrics = STEP(recipe, adversarial, state, crops, features)
        for name in window.others.keys() & metrics.keys():
            window.others[name].append(float(metrics[name]))
        window.losses.append(float(metrics["loss"]))
        window.absolute.append(float(metrics["absolute"]))
        window.codes.update(np.unique(metrics["codes"]).tolist())
        if not np.isfinite(window.losses[-1]):
            raise DataError(f"step {number + 1}: the loss is {window.losses[-1]}: lower optimizer.peakLearningRate")
        if (number + 1) % LINE_STEPS == 0 or number + 1 == recipe.steps:
            seconds = (time.monotonic() - begun) / len(window.losses)
            print(
                f"step {number + 1}: loss {np.mean(window.losses):.4f}, L1 {np.mean(window.absolute):.4f}{window.others_text},"
                f" {len(window.codes)} of {recipe.tokenizer.codebook_size} codes, {seconds:.2f} s a step",
                flush=True,
            )
            window, begun = _Window(), time.monotonic()
        if (number + 1) % save_interval_steps == 0 or number + 1 == recipe.steps:
            save_state(files, state)
            _export(files, recipe, state)
    return _export(files, recipe, state)


def _export(files: Folder, recipe: TrainingRecipe, state: TrainingState) -> str:
    """Write the tokenizer of this state; returns its fingerprint."""
    params = jax.tree.map(np.asarray, exported(state))
    source = f"trained for {int(state['step'])} of {recipe.steps} steps"
    return write_tokenizer(f"{files.uri}/{TOKENIZER}", recipe.tokenizer, params, source)
