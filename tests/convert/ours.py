"""Our model's logits, to hold against transformers' of the same model: `reference.py` beside it reads what this writes.

    .venv/bin/python -m convert.ours STEP_FOLDER EXPORTED

STEP_FOLDER is a training's or a conversion's, EXPORTED what `lwm convert to-hf` made of it; it gets logits.npz: tokens [B, T], logits
[B, T, V].
"""

import argparse
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer.checkpoint.manifest import read_model_manifest
from lwm_trainer.convert.names import Parameter, model_parameters
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.model import llama
from lwm_trainer.storage import emulator
from unit.lwm_trainer.model.test_llama import hidden

ROWS, LENGTH = 2, 72


def logits(folder: str, tokens: np.ndarray) -> jax.Array:
    """[B, T, V] of the model in this step folder for tokens [B, T]."""
    manifest, step = read_model_manifest(folder), StepFolder(folder)
    model = manifest.model

    def whole(leaf: Parameter) -> np.ndarray:
        return step.layer(leaf, 0) if leaf.layers is None else np.stack([step.layer(leaf, layer) for layer in range(leaf.layers)])

    params = jax.tree.unflatten(jax.tree.structure(llama.abstract(model)), [whole(leaf) for leaf in model_parameters(model)])
    stream = hidden(params, jnp.asarray(tokens), manifest.rope_theta, model)
    return stream @ llama.head(model, params)


def main() -> None:
    parser = argparse.ArgumentParser(prog="convert.ours", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step_folder")
    parser.add_argument("exported", type=Path)
    arguments = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    emulator.configure_clients()
    vocabulary = read_model_manifest(arguments.step_folder).model.vocab_size
    tokens = np.random.default_rng(0).integers(0, vocabulary, (ROWS, LENGTH), np.int32)
    np.savez_compressed(arguments.exported / "logits.npz", tokens=tokens, logits=logits(arguments.step_folder, tokens))


if __name__ == "__main__":
    main()
