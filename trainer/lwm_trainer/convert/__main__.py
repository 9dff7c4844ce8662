"""`python -m lwm_trainer.convert`: other people's checkpoints in, ours out, and back."""

import argparse
import hashlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import ExitCode
from lwm_trainer.convert.config_json import Described, read_config
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.hf_read import HuggingFace
from lwm_trainer.convert.hf_write import write_folder, write_tokenizer
from lwm_trainer.convert.lwm_read import Lwm
from lwm_trainer.convert.names import leaves
from lwm_trainer.convert.placement import Progress, conversion_mesh, load
from lwm_trainer.convert.rotation import ROTATIONS, rotated
from lwm_trainer.convert.step_folder import StepFolder, require_absent, write_step
from lwm_trainer.runtime.exit_classification import classify_exception
from lwm_trainer.runtime.redaction import redact
from lwm_trainer.storage import emulator

DTYPES = ("float32", "bfloat16")
NEW_STEP = "new step folder: a path or gs://…"


def main(argv: Sequence[str] | None = None) -> int:
    """Convert; the exit code, with a line on stderr if it is not 0."""
    arguments = _parser().parse_args(argv)
    emulator.configure_clients()
    if not jax.config.jax_platforms:  # type: ignore[attr-defined]  # an accelerator would be taken from a training, and has less memory
        jax.config.update("jax_platforms", "cpu")
    try:
        arguments.run(arguments)
    except Exception as error:
        found = classify_exception(error, gang=False)
        if found.unexpected:
            print(redact(traceback.format_exc()), file=sys.stderr, end="")
        print(f"convert: {found.message}", file=sys.stderr)
        return int(found.code)
    return int(ExitCode.COMPLETE)


def from_hf(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.folder
    require_absent(arguments.out)
    _import(arguments, HuggingFace(folder), folder / "config.json", folder / "tokenizer.json", f"huggingface:{folder.resolve().name}")


def from_lwm(arguments: argparse.Namespace) -> None:
    require_absent(arguments.out)
    _import(arguments, Lwm(arguments.file), arguments.config, arguments.tokenizer, f"lwm:{arguments.file.resolve().name}")


def _import(arguments: argparse.Namespace, source: HuggingFace | Lwm, config_json: Path, tokenizer: Path | None, said: str) -> None:
    described = read_config(config_json, source.vision_vocab_size)
    model = described.model
    progress = Progress(said, source.check(leaves(model), model.tied_embeddings))
    params = load(model, rotated(source, arguments.rotation), conversion_mesh(model), arguments.dtype, progress)
    progress.say()
    manifest = ModelManifest(
        model=model,
        context_length=described.context_length,
        rope_theta=described.rope_theta,
        tokenizer_sha256=hashlib.sha256(tokenizer.read_bytes()).hexdigest() if tokenizer is not None and tokenizer.exists() else None,
        source=said,
    )
    write_step(arguments.out, params, manifest)


def to_hf(arguments: argparse.Namespace) -> None:
    require_absent(arguments.out)
    if arguments.tokenizer is not None and not epath.Path(arguments.tokenizer).exists():
        raise WrongArgumentError(f"--tokenizer {arguments.tokenizer}: not found: give a tokenizer.json")
    step = StepFolder(arguments.step_folder)
    manifest = step.manifest
    dtype = jnp.dtype(arguments.dtype or manifest.model.dtype)
    described = Described(manifest.model, arguments.theta or manifest.rope_theta, manifest.context_length)
    parameters = sum(int(np.prod(leaf.stacked_shape)) for leaf in leaves(manifest.model))
    progress = Progress("to-hf", parameters * dtype.itemsize)
    out = epath.Path(arguments.out)
    write_folder(step, described, out, dtype, int(arguments.shard_size * 1e9), progress)
    if arguments.tokenizer is not None:
        write_tokenizer(epath.Path(arguments.tokenizer), out)
    progress.say()


def _place(text: str) -> str:
    """Orbax takes absolute paths only."""
    return text if "://" in text else os.path.abspath(text)  # noqa: PTH100 - of a path that does not exist yet


def _importing(command: argparse.ArgumentParser, rotation: str, whose: str) -> None:
    """The options of both imports, behind their own."""
    command.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="of the parameters in OUT; default: float32, as in a training's"
    )
    command.add_argument(
        "--rotation", choices=ROTATIONS, default=rotation, help=f"pairs of channels in the file; default: {rotation}, {whose}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lwm convert", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("from-hf", help="a Hugging Face Llama into a step folder for spec.model.initFrom")
    command.add_argument("folder", type=Path, help="with config.json and safetensors; a local one or a mounted volume")
    command.add_argument("out", type=_place, help=NEW_STEP)
    _importing(command, "half", "Hugging Face's")
    command.set_defaults(run=from_hf)
    command = commands.add_parser("from-lwm", help="a file of LWM's StreamingCheckpointer into a step folder for spec.model.initFrom")
    command.add_argument("file", type=Path, help="streaming_params or streaming_train_state; a local one or on a mounted volume")
    command.add_argument("out", type=_place, help=NEW_STEP)
    command.add_argument(
        "--config", type=Path, required=True, help="a Hugging Face config.json that describes the model: the file does not"
    )
    command.add_argument("--tokenizer", type=Path, help="its tokenizer.json, whose hash is noted")
    _importing(command, "interleaved", "LWM's")
    command.set_defaults(run=from_lwm)
    command = commands.add_parser("to-hf", help="a step folder into a folder that transformers reads")
    command.add_argument("step_folder", type=_place, help="of a training or a conversion: a path or gs://…")
    command.add_argument("out", type=_place, help="new folder: a path or gs://…")
    command.add_argument("--theta", type=float, help="rope_theta in config.json; default: the checkpoint's")
    command.add_argument("--dtype", choices=DTYPES, help="of the tensors; default: the model's")
    command.add_argument("--shard-size", type=float, default=2.0, metavar="GB", help="largest file, held in memory twice; default: 2")
    command.add_argument("--tokenizer", help="a tokenizer.json to put beside it")
    command.set_defaults(run=to_hf)
    return parser


if __name__ == "__main__":
    sys.exit(main())
