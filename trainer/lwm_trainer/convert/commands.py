"""What `lwm convert` does: an import or an export, of the arguments of the command line."""

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.convert.config_json import ModelConfig, read_config, write_config
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.hf_write import write_weights
from lwm_trainer.convert.lwm_read import LwmFile
from lwm_trainer.convert.model_card import model_card
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.placement import Progress, stream_parameters
from lwm_trainer.convert.rotation import read_half_split
from lwm_trainer.convert.spec_block import spec_block
from lwm_trainer.convert.step_folder import StepFolder, require_new, write_step
from lwm_trainer.convert.tokenizer_files import read_export_tokenizer, require_tokenizer_file

SHARD_SIZES = (1e-5, 1000.0)
"""GB of a file, at least and at most."""


def from_hf(arguments: argparse.Namespace) -> None:
    """A Hugging Face folder to a step folder."""
    folder: Path = arguments.folder
    require_new(arguments.out)
    _import(arguments, HuggingFaceFolder(folder), folder / "config.json", folder / "tokenizer.json", f"huggingface:{folder.resolve().name}")


def from_lwm(arguments: argparse.Namespace) -> None:
    """A file of LWM to a step folder."""
    require_new(arguments.out)
    if arguments.tokenizer is not None:
        require_tokenizer_file(str(arguments.tokenizer))
    _import(arguments, LwmFile(arguments.file), arguments.config, arguments.tokenizer, f"lwm:{arguments.file.resolve().name}")


def _import(
    arguments: argparse.Namespace, source: HuggingFaceFolder | LwmFile, config_json: Path, tokenizer: Path | None, name: str
) -> None:
    """Convert `source` to a step folder whose manifest has `name` as its source."""
    model_config = read_config(config_json, source.vision_vocab_size)
    model = model_config.model
    source.check(model_parameters(model), model.tied_embeddings)
    dtype = arguments.dtype or source.stored_type
    params = stream_parameters(model, read_half_split(source, arguments.rotation), dtype)
    progress = Progress(name, sum(array.nbytes for array in jax.tree.leaves(params)))
    manifest = ModelManifest(
        model=model,
        context_length=model_config.context_length,
        rope_theta=model_config.rope_theta,
        export_type=model_config.tensor_type,
        tokenizer_sha256=hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer is not None and tokenizer.exists() else None,
        source=name,
    )
    write_step(arguments.out, params, manifest, progress)
    progress.print()
    print(f"{arguments.out}: parameters of {name} as {dtype}, {model_config.context_length:,} tokens of context,", end=" ")
    print(f"ropeTheta {model_config.rope_theta!r}. A training that starts from them:")
    print(spec_block(arguments.out, model))


def to_hf(arguments: argparse.Namespace) -> None:
    """A step folder to a Hugging Face folder. config.json is written last: a folder without it is incomplete."""
    theta, shard_size = arguments.theta, arguments.shard_size
    if theta is not None and not (math.isfinite(theta) and theta > 1):
        raise WrongArgumentError(f"--theta {theta}: give a number above 1")
    if not SHARD_SIZES[0] <= shard_size <= SHARD_SIZES[1]:
        raise WrongArgumentError(f"--shard-size {shard_size}: give a number of GB from {SHARD_SIZES[0]} to {SHARD_SIZES[1]}")
    require_new(arguments.out)
    step = StepFolder(arguments.step_folder, ema=arguments.ema)
    manifest = step.manifest
    tokenizer = read_export_tokenizer(arguments.tokenizer, manifest) if arguments.tokenizer is not None else None
    dtype = jnp.dtype(arguments.dtype or manifest.export_type)
    model_config = ModelConfig(manifest.model, theta or manifest.rope_theta, manifest.context_length)
    count = sum(int(np.prod(parameter.stacked_shape)) for parameter in model_parameters(manifest.model))
    progress = Progress("to-hf", count * dtype.itemsize)
    out = epath.Path(arguments.out)
    write_weights(step, manifest.model, out, dtype, int(shard_size * 1e9), progress)
    (out / "README.md").write_text(model_card(manifest, model_config, str(dtype), tokenizer is not None))
    begin_id, end_id = (None, None) if tokenizer is None else tokenizer.ids
    if tokenizer is None:
        print("to-hf: no --tokenizer: the folder has none, and config.json has no begin and end tokens", file=sys.stderr)
    else:
        tokenizer.write(out)
    (out / "config.json").write_text(json.dumps(write_config(model_config, str(dtype), begin_id, end_id), indent=2) + "\n")
    progress.print()
    print(f"{arguments.out}: parameters of {arguments.step_folder} as {dtype}, for transformers' from_pretrained")
