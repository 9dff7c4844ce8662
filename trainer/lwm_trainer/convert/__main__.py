"""`lwm convert`: checkpoints of Hugging Face and LWM to step folders, and step folders to Hugging Face.

Without the command line package, `python -m lwm_trainer.convert` is the same command.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lwm_trainer.storage.absolute import absolute_uri

DTYPES = ("float32", "bfloat16")
ROTATIONS = ("half", "interleaved")
NEW_STEP = "new step folder: a path or gs://…"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, with a line on standard error if it is not 0."""
    arguments = _parser().parse_args(argv)
    # Late, so that help needs no JAX.
    from lwm_trainer.storage import emulator

    emulator.configure_clients()
    import jax

    from lwm_trainer.config import ExitCode
    from lwm_trainer.convert import commands
    from lwm_trainer.runtime.command_failure import report_failure

    if not jax.config.jax_platforms:  # type: ignore[attr-defined]  # an accelerator may be in use by a training, and has less memory
        jax.config.update("jax_platforms", "cpu")
    run = {"from-hf": commands.from_hf, "from-lwm": commands.from_lwm, "to-hf": commands.to_hf}[arguments.command]
    try:
        run(arguments)
    except Exception as error:
        return report_failure(error, "convert: ")
    return int(ExitCode.COMPLETE)


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
    commands = parser.add_subparsers(required=True, dest="command")
    command = commands.add_parser("from-hf", help="a Hugging Face Llama to a step folder for spec.model.initFrom")
    command.add_argument("folder", type=Path, help="folder with config.json and safetensors files, local or on a mounted volume")
    command.add_argument("out", type=absolute_uri, help=NEW_STEP)
    _add_import_options(command, "half", "Hugging Face files")
    command = commands.add_parser("from-lwm", help="a file of LWM's StreamingCheckpointer to a step folder for spec.model.initFrom")
    command.add_argument("file", type=Path, help="streaming_params or streaming_train_state, local or on a mounted volume")
    command.add_argument("out", type=absolute_uri, help=NEW_STEP)
    command.add_argument(
        "--config", type=Path, required=True, help="a Hugging Face config.json that describes the model, which the file does not"
    )
    command.add_argument("--tokenizer", type=Path, help="the model's tokenizer.json, whose hash goes into the manifest")
    _add_import_options(command, "interleaved", "LWM files")
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
    return parser


if __name__ == "__main__":
    sys.exit(main())
