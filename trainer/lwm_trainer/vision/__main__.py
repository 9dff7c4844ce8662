"""`lwm vision`: tokenizers for pictures and clips. `python -m lwm_trainer.vision` is the same command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lwm_trainer.storage.absolute import absolute_uri


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, with a line on standard error if it is not 0."""
    arguments = _parser().parse_args(argv)
    # Late, so that help needs no JAX.
    from lwm_trainer.config import ExitCode
    from lwm_trainer.runtime.command_failure import report_failure
    from lwm_trainer.storage import emulator
    from lwm_trainer.vision import commands

    emulator.configure_clients()
    run = {
        "import": commands.import_weights,
        "encode": commands.encode,
        "decode": commands.decode,
        "train": commands.train_tokenizer,
        "report": commands.report_figures,
    }[arguments.command]
    try:
        run(arguments)
    except Exception as error:
        return report_failure(error, "vision: ")
    return int(ExitCode.COMPLETE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lwm vision", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    command = commands.add_parser("import", help="weights of diffusers, LWM, IBQ or LlamaGen to a tokenizer's file")
    command.add_argument("weights", type=Path, help="folder of a VQModel of diffusers, LWM's file of its VQGAN, or a checkpoint (--scheme)")
    command.add_argument("out", type=absolute_uri, help="new file, its name ends in .safetensors: a path or gs://…")
    command.add_argument("--size", type=int, default=256, metavar="PIXELS", help="side of a frame; default: %(default)s, as in LWM")
    command.add_argument(
        "--scheme", choices=("ibq", "llamagen"), help="whose checkpoint it is: .ckpt, .pt or .safetensors with their names"
    )
    command = commands.add_parser("encode", help="pictures and clips to JSON lines of codes")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    _add_tokenizer(command)
    command.add_argument("--out", type=absolute_uri, required=True, help="new .jsonl file: a path or gs://…")
    command.add_argument("--rate", type=float, metavar="FPS", help="frames of a second of a clip; default: all that it has")
    command.add_argument("--max-frames", type=int, metavar="N", help="of more frames, keep N, evenly spaced; default: no limit")
    command.add_argument("--on-bad-file", choices=("fail", "skip"), default="fail", help="skip: name and count it; default: fail")
    command = commands.add_parser("decode", help="JSON lines of codes to pictures, and to clips where a line has several frames")
    command.add_argument("codes", type=Path, help=".jsonl file")
    _add_tokenizer(command)
    command.add_argument("--out", type=Path, required=True, help="folder")
    command.add_argument("--field", default="vision", help="field of the codes; default: %(default)s")
    command.add_argument("--rate", type=int, default=4, metavar="FPS", help="frames of a second of clips; default: %(default)s")
    command.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of the decoder; default: %(default)s")
    command = commands.add_parser("train", help="pictures and clips to a tokenizer; continues where it was interrupted")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    command.add_argument("--out", type=absolute_uri, required=True, help="folder of the tokenizer and its checkpoint: a path or gs://…")
    command.add_argument("--recipe", type=Path, metavar="JSON", help="file with settings; default: a small tokenizer of 64 x 64 pixels")
    command.add_argument("--steps", type=int, help="instead of the recipe's")
    command.add_argument("--seed", type=int, help="instead of the recipe's")
    command.add_argument("--save-interval", type=int, default=200, metavar="STEPS", help="between checkpoints; default: %(default)s")
    command = commands.add_parser("report", help="PSNR, SSIM and use of the codes on pictures that were held out")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    _add_tokenizer(command)
    command.add_argument("--grid", type=Path, metavar="PNG", help="new picture: originals above, reconstructions below")
    return parser


def _add_tokenizer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tokenizer", type=absolute_uri, required=True, metavar="FILE", help="a tokenizer's file: a path or gs://…")


if __name__ == "__main__":
    sys.exit(main())
