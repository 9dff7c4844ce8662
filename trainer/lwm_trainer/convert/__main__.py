"""`lwm convert`: checkpoints of Hugging Face and LWM to step folders, and step folders to Hugging Face.

Without the command line package, `python -m lwm_trainer.convert` is the same command.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import ExitCode
from lwm_trainer.convert.config_json import ModelConfig, read_config, write_config
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.hf_write import write_weights
from lwm_trainer.convert.lwm_read import LwmFile
from lwm_trainer.convert.model_card import model_card
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.placement import Progress, conversion_mesh, load_parameters
from lwm_trainer.convert.rotation import ROTATIONS, read_half_split
from lwm_trainer.convert.step_folder import StepFolder, require_absent, write_step
from lwm_trainer.convert.tokenizer_files import read_export_tokenizer, require_tokenizer_file
from lwm_trainer.runtime.command_failure import report_failure
from lwm_trainer.storage import emulator
from lwm_trainer.storage.absolute import absolute_uri

DTYPES = ("float32", "bfloat16")
SHARD_SIZES = (1e-5, 1000.0)
"""GB of a file, at least and at most."""
NEW_STEP = "new step folder: a path or gs://…"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, with a line on standard error if it is not 0."""
    arguments = _parser().parse_args(argv)
    emulator.configure_clients()
    if not jax.config.jax_platforms:  # type: ignore[attr-defined]  # an accelerator may be in use by a training, and has less memory
        jax.config.update("jax_platforms", "cpu")
    try:
        arguments.run(arguments)
    except Exception as error:
        return report_failure(error, "convert: ")
    return int(ExitCode.COMPLETE)


def from_hf(arguments: argparse.Namespace) -> None:
    """A Hugging Face folder to a step folder."""
    folder: Path = arguments.folder
    require_absent(arguments.out)
    _import(arguments, HuggingFaceFolder(folder), folder / "config.json", folder / "tokenizer.json", f"huggingface:{folder.resolve().name}")


def from_lwm(arguments: argparse.Namespace) -> None:
    """A file of LWM to a step folder."""
    require_absent(arguments.out)
    if arguments.tokenizer is not None:
        require_tokenizer_file(str(arguments.tokenizer))
    _import(arguments, LwmFile(arguments.file), arguments.config, arguments.tokenizer, f"lwm:{arguments.file.resolve().name}")


def _import(
    arguments: argparse.Namespace, source: HuggingFaceFolder | LwmFile, config_json: Path, tokenizer: Path | None, name: str
) -> None:
    """Convert `source` to a step folder whose manifest has `name` as its source."""
    model_config = read_config(config_json, source.vision_vocab_size)
    model = model_config.model
    progress = Progress(name, source.check(model_parameters(model), model.tied_embeddings))
    dtype = arguments.dtype or source.stored_type
    params = load_parameters(model, read_half_split(source, arguments.rotation), conversion_mesh(model), dtype, progress)
    progress.print()
    manifest = ModelManifest(
        model=model,
        context_length=model_config.context_length,
        rope_theta=model_config.rope_theta,
        export_type=model_config.tensor_type,
        tokenizer_sha256=hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer is not None and tokenizer.exists() else None,
        source=name,
    )
    write_step(arguments.out, params, manifest)


def to_hf(arguments: argparse.Namespace) -> None:
    """A step folder to a Hugging Face folder. config.json is written last: a folder without it is incomplete."""
    theta, shard_size = arguments.theta, arguments.shard_size
    if theta is not None and not (math.isfinite(theta) and theta > 1):
        raise WrongArgumentError(f"--theta {theta}: give a number above 1")
    if not SHARD_SIZES[0] <= shard_size <= SHARD_SIZES[1]:
        raise WrongArgumentError(f"--shard-size {shard_size}: give a number of GB from {SHARD_SIZES[0]} to {SHARD_SIZES[1]}")
    require_absent(arguments.out)
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


def _add_import_options(command: argparse.ArgumentParser, rotation: str, origin: str) -> None:
    """Add the options that both imports have."""
    command.add_argument(
        "--dtype",
        choices=DTYPES,
        help="dtype of the parameters in OUT; default: bfloat16 where all of the file is, which loses nothing, otherwise float32",
    )
    command.add_argument(
        "--rotation",
        choices=ROTATIONS,
        default=rotation,
        help=f"which channels of a head rotate together in the file; default: {rotation}, as in {origin}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lwm convert", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("from-hf", help="a Hugging Face Llama to a step folder for spec.model.initFrom")
    command.add_argument("folder", type=Path, help="folder with config.json and safetensors files, local or on a mounted volume")
    command.add_argument("out", type=absolute_uri, help=NEW_STEP)
    _add_import_options(command, "half", "Hugging Face files")
    command.set_defaults(run=from_hf)
    command = commands.add_parser("from-lwm", help="a file of LWM's StreamingCheckpointer to a step folder for spec.model.initFrom")
    command.add_argument("file", type=Path, help="streaming_params or streaming_train_state, local or on a mounted volume")
    command.add_argument("out", type=absolute_uri, help=NEW_STEP)
    command.add_argument(
        "--config", type=Path, required=True, help="a Hugging Face config.json that describes the model, which the file does not"
    )
    command.add_argument("--tokenizer", type=Path, help="the model's tokenizer.json, whose hash goes into the manifest")
    _add_import_options(command, "interleaved", "LWM files")
    command.set_defaults(run=from_lwm)
    command = commands.add_parser("to-hf", help="a step folder to a folder that transformers reads")
    command.add_argument("step_folder", type=absolute_uri, help="step folder of a training or a conversion: a path or gs://…")
    command.add_argument("out", type=absolute_uri, help="new folder: a path or gs://…")
    command.add_argument("--ema", action="store_true", help="the moving average of the parameters, of a stage with optimizer.emaDecay")
    command.add_argument("--theta", type=float, help="rope_theta in config.json; default: that of the checkpoint")
    command.add_argument(
        "--dtype", choices=DTYPES, help="dtype of the tensors; default: that of the files it was converted from, or of a training's compute"
    )
    command.add_argument("--shard-size", type=float, default=2.0, metavar="GB", help="size of a file, at most; default: 2")
    command.add_argument(
        "--tokenizer",
        type=absolute_uri,
        help="the model's tokenizer.json, a path or gs://…; what lies beside it comes along: its configuration, chat templates and "
        "generation_config.json",
    )
    command.set_defaults(run=to_hf)
    return parser


if __name__ == "__main__":
    sys.exit(main())
