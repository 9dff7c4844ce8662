"""`lwm vision`: tokenizers for pictures and clips. `python -m lwm_trainer.vision` is the same command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pydantic
from PIL import Image

from lwm_trainer.config import ExitCode
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.strict_json import parse_object
from lwm_trainer.data.records.source_files import WEIGHTS_SUFFIX
from lwm_trainer.runtime.command_failure import report_failure
from lwm_trainer.storage import emulator
from lwm_trainer.storage.absolute import absolute_uri
from lwm_trainer.storage.folder import folder
from lwm_trainer.vision.decode_codes import decode_lines
from lwm_trainer.vision.encode_files import encode_files, media_files
from lwm_trainer.vision.media.sampling import Sampling
from lwm_trainer.vision.report import report
from lwm_trainer.vision.tokenizer import VisionTokenizer
from lwm_trainer.vision.training.crops import load_pictures
from lwm_trainer.vision.training.recipe import TrainingRecipe
from lwm_trainer.vision.training.train import TOKENIZER, train
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.import_diffusers import read_diffusers
from lwm_trainer.vision.weights.import_lwm import read_lwm
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code, with a line on standard error if it is not 0."""
    arguments = _parser().parse_args(argv)
    emulator.configure_clients()
    try:
        arguments.run(arguments)
    except Exception as error:
        return report_failure(error, "vision: ")
    return int(ExitCode.COMPLETE)


def import_weights(arguments: argparse.Namespace) -> None:
    """Weights of diffusers (a folder) or of LWM (a file) to a tokenizer's file."""
    if not arguments.out.endswith(WEIGHTS_SUFFIX):
        raise WrongArgumentError(f"{arguments.out}: give a name that ends in {WEIGHTS_SUFFIX}")
    if arguments.weights.is_dir():
        config, params = read_diffusers(arguments.weights, arguments.size)
    else:
        config = VqganConfig(image_size=arguments.size)
        params = read_lwm(arguments.weights, config)
    digest = write_tokenizer(arguments.out, config, params, arguments.weights.resolve().name)
    print(f"{arguments.out}: {config.codes_per_frame} codes a frame of {config.codebook_size}, fingerprint {digest[:16]}")


def encode(arguments: argparse.Namespace) -> None:
    """Files of pictures and clips to JSON lines."""
    if (arguments.rate is not None and arguments.rate <= 0) or (arguments.max_frames is not None and arguments.max_frames < 1):
        raise WrongArgumentError("--rate must be above 0, --max-frames at least 1")
    tokenizer = VisionTokenizer(read_tokenizer(arguments.tokenizer))
    listed = media_files(arguments.media)
    parent, _, name = arguments.out.rpartition("/")
    with folder(parent).new(name) as path, path.open("w", encoding="utf-8") as out:
        counts = encode_files(tokenizer, listed, Sampling(arguments.rate, arguments.max_frames), arguments.on_bad_file, out)
    print(
        f"{arguments.out}: {counts.files} files, {counts.frames} frames, {counts.skipped} skipped; fingerprint {tokenizer.fingerprint[:16]}"
    )


def decode(arguments: argparse.Namespace) -> None:
    """JSON lines of codes to pictures and clips."""
    if arguments.rate < 1:
        raise WrongArgumentError(f"--rate {arguments.rate}: at least 1 frame a second")
    tokenizer = VisionTokenizer(read_tokenizer(arguments.tokenizer), decode_dtype=arguments.dtype)
    count = decode_lines(tokenizer, arguments.codes, arguments.field, arguments.out, arguments.rate)
    print(f"{arguments.out}: {count} files")


def train_tokenizer(arguments: argparse.Namespace) -> None:
    """Pictures and clips to a tokenizer's file, with checkpoints beside it."""
    if arguments.save_interval < 1:
        raise WrongArgumentError(f"--save-interval {arguments.save_interval}: at least 1 step")
    settings = {} if arguments.recipe is None else _read_recipe(arguments.recipe)
    settings |= {name: value for name in ("steps", "seed") if (value := getattr(arguments, name)) is not None}
    try:
        recipe = TrainingRecipe.model_validate(settings)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise WrongArgumentError(f"{arguments.recipe or 'recipe'}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    digest = train(recipe, arguments.media, arguments.out, arguments.save_interval)
    print(f"{arguments.out}/{TOKENIZER}: fingerprint {digest[:16]}")


def _read_recipe(file: Path) -> dict[str, Any]:
    try:
        return parse_object(file.read_bytes(), file)
    except OSError as error:
        raise WrongArgumentError(f"{file}: {error.strerror}: give a JSON file with settings") from error


def report_figures(arguments: argparse.Namespace) -> None:
    """PSNR, SSIM and use of the codes, and a grid of pictures above their reconstructions."""
    if arguments.grid is not None and arguments.grid.suffix != ".png":
        raise WrongArgumentError(f"--grid {arguments.grid}: give a name that ends in .png")
    tokenizer = VisionTokenizer(read_tokenizer(arguments.tokenizer))
    figures, grid = report(tokenizer, load_pictures(arguments.media, tokenizer.config.image_size))
    if arguments.grid is not None:
        Image.fromarray(grid).save(arguments.grid)
    print(figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lwm vision", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("import", help="weights of diffusers or LWM to a tokenizer's file")
    command.add_argument("weights", type=Path, help="folder of a VQModel of diffusers, or LWM's file of its VQGAN")
    command.add_argument("out", type=absolute_uri, help=f"new file, its name ends in {WEIGHTS_SUFFIX}: a path or gs://…")
    command.add_argument("--size", type=int, default=256, metavar="PIXELS", help="side of a frame; default: %(default)s, as in LWM")
    command.set_defaults(run=import_weights)
    command = commands.add_parser("encode", help="pictures and clips to JSON lines of codes")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    _add_tokenizer(command)
    command.add_argument("--out", type=absolute_uri, required=True, help="new .jsonl file: a path or gs://…")
    command.add_argument("--rate", type=float, metavar="FPS", help="frames of a second of a clip; default: all that it has")
    command.add_argument("--max-frames", type=int, metavar="N", help="of more frames, keep N, evenly spaced; default: no limit")
    command.add_argument("--on-bad-file", choices=("fail", "skip"), default="fail", help="skip: name and count it; default: fail")
    command.set_defaults(run=encode)
    command = commands.add_parser("decode", help="JSON lines of codes to pictures, and to clips where a line has several frames")
    command.add_argument("codes", type=Path, help=".jsonl file")
    _add_tokenizer(command)
    command.add_argument("--out", type=Path, required=True, help="folder")
    command.add_argument("--field", default="vision", help="field of the codes; default: %(default)s")
    command.add_argument("--rate", type=int, default=4, metavar="FPS", help="frames of a second of clips; default: %(default)s")
    command.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="of the decoder; default: %(default)s")
    command.set_defaults(run=decode)
    command = commands.add_parser("train", help="pictures and clips to a tokenizer; continues where it was interrupted")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    command.add_argument("--out", type=absolute_uri, required=True, help="folder of the tokenizer and its checkpoint: a path or gs://…")
    command.add_argument("--recipe", type=Path, metavar="JSON", help="file with settings; default: a small tokenizer of 64 x 64 pixels")
    command.add_argument("--steps", type=int, help="instead of the recipe's")
    command.add_argument("--seed", type=int, help="instead of the recipe's")
    command.add_argument("--save-interval", type=int, default=200, metavar="STEPS", help="between checkpoints; default: %(default)s")
    command.set_defaults(run=train_tokenizer)
    command = commands.add_parser("report", help="PSNR, SSIM and use of the codes on pictures that were held out")
    command.add_argument("media", type=absolute_uri, nargs="+", help="files or folders: paths or gs://…")
    _add_tokenizer(command)
    command.add_argument("--grid", type=Path, metavar="PNG", help="new picture: originals above, reconstructions below")
    command.set_defaults(run=report_figures)
    return parser


def _add_tokenizer(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tokenizer", type=absolute_uri, required=True, metavar="FILE", help="a tokenizer's file: a path or gs://…")


if __name__ == "__main__":
    sys.exit(main())
