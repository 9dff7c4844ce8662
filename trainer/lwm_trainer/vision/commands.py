"""What `lwm vision` does, of the arguments of the command line."""

import argparse
import math
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import pydantic
from PIL import Image

from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.strict_json import parse_object
from lwm_trainer.data.records.source_files import WEIGHTS_SUFFIX
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
from lwm_trainer.vision.weights.import_taming import read_taming
from lwm_trainer.vision.weights.tokenizer_file import read_tokenizer, write_tokenizer


def import_weights(arguments: argparse.Namespace) -> None:
    """Weights of diffusers (a folder), of LWM (a file), or of the scheme that is named (a file) to a tokenizer's file."""
    if not arguments.out.endswith(WEIGHTS_SUFFIX):
        raise WrongArgumentError(f"{arguments.out}: give a name that ends in {WEIGHTS_SUFFIX}")
    if arguments.size < 1:
        raise WrongArgumentError(f"--size {arguments.size}: at least 1 pixel")
    if arguments.scheme is not None:
        if arguments.weights.is_dir():
            raise WrongArgumentError(f"{arguments.weights}: is a folder: with --scheme {arguments.scheme}, give its checkpoint's file")
        config, params = read_taming(arguments.weights, arguments.scheme, arguments.size)
    elif arguments.weights.is_dir():
        config, params = read_diffusers(arguments.weights, arguments.size)
    elif arguments.weights.is_file() and (arguments.weights.suffix == WEIGHTS_SUFFIX or is_zipfile(arguments.weights)):
        raise WrongArgumentError(
            f"{arguments.weights}: is no file of LWM's, which is a pickle: name its project by --scheme ibq or llamagen"
        )
    else:
        try:
            config = VqganConfig(image_size=arguments.size)
        except pydantic.ValidationError as error:
            raise WrongArgumentError(f"--size {arguments.size}: {error.errors()[0]['msg']}") from error
        params = read_lwm(arguments.weights, config)
    digest = write_tokenizer(arguments.out, config, params, arguments.weights.resolve().name)
    print(f"{arguments.out}: {config.codes_per_frame} codes a frame of {config.codebook_size}, fingerprint {digest[:16]}")


def encode(arguments: argparse.Namespace) -> None:
    """Files of pictures and clips to JSON lines."""
    if (arguments.rate is not None and not 0 < arguments.rate < math.inf) or (
        arguments.max_frames is not None and arguments.max_frames < 1
    ):
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
