"""What the options of the commands that generate say: a checkpoint on devices, ready to generate, and how tokens are drawn."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jax

from lwm_trainer import config
from lwm_trainer.config.extras import require_extra
from lwm_trainer.parallel import compile_cache
from lwm_trainer.sampling.generator import Generator
from lwm_trainer.sampling.load import LoadOptions, load_generator
from lwm_trainer.sampling.settings import Filters
from lwm_trainer.sampling.weights import Weights, newest_commit, open_weights
from lwm_trainer.storage.absolute import absolute_uri

if TYPE_CHECKING:
    from lwm_cli.generation_media import GenerationMedia
    from lwm_cli.local.folder import TrainingFolder

CACHE = Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator")
"""Where compiled programs are kept, so that the next start takes seconds."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and what the training that made them says about their tokens."""

    weights: Weights
    tokenizer: str | None
    frames: config.Frames | None


def take_media(options: dict[str, Any], command: str, *, needed_by: str | None = None) -> "GenerationMedia | None":
    """The vision tokenizer of the options, which are taken out of them; None where none is given. Raises UsageError.

    `needed_by`: other options of `command` that are given and need it.
    """
    tokenizer, rate, most = (options.pop(name) for name in ("vision_tokenizer", "clip_rate", "clip_frames"))
    if tokenizer is None:
        if needed_by is not None:
            raise click.UsageError(f"--vision-tokenizer is missing for {needed_by}: give FILE, the tokenizer of the model's training")
        return None
    require_extra(f"{command} --vision-tokenizer", "vision", "av", "PIL")
    from lwm_cli.generation_media import GenerationMedia

    return GenerationMedia.load(tokenizer, rate, most)


def take_filters(options: dict[str, Any], prefix: str = "") -> Filters:
    """The filters of one modality, taken out of the options."""
    return Filters(**{name: options.pop(f"{prefix}{name}") for name in ("temperature", "top_k", "top_p", "min_p")})


def take_checkpoint(options: dict[str, Any]) -> Checkpoint:
    """Look at the checkpoint of the options, which is taken out of them; its parameters are not read yet. Raises what opening raises."""
    return find_checkpoint(options.pop("checkpoint"), options.pop("stage"))


def take_generator(
    options: dict[str, Any],
    *,
    reserve: bool,
    frames: config.Frames | None = None,
    rows: int = 1,
    source: Checkpoint | None = None,
    host_bytes: int = 0,
) -> Generator:
    """Load the checkpoint of the options, which are taken out of them. Raises UsageError, and what loading raises.

    Args:
        frames: the layout of frames where neither the options nor the checkpoint's training name it.
        source: what `take_checkpoint` returned, where it was called before.
        reserve, rows, host_bytes: as for `Generator`.
    """
    source = source or take_checkpoint(options)
    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        compile_cache.use(str(CACHE / "generation"))
    tokenizer = options.pop("tokenizer")
    mesh, frames = options.pop("mesh"), source.frames or frames or config.Frames()
    sizes = {"tokens_per_frame": options.pop("tokens_per_frame"), "codebook_size": options.pop("codebook_size")}
    load = LoadOptions(
        tokenizer=source.tokenizer if tokenizer is None else absolute_uri(tokenizer),
        mesh=None if mesh is None else parse_mesh(mesh),
        frames=frames.model_copy(update={name: size for name, size in sizes.items() if size is not None}),
        dtype=options.pop("dtype"),
        context=options.pop("context"),
        chunk=options.pop("chunk"),
        reserve=reserve,
        rows=rows,
        draft_tokens=options.pop("draft_tokens", 0),
        host_bytes=host_bytes,
    )
    return load_generator(source.weights, load)


def find_checkpoint(place: str, stage: str | None) -> Checkpoint:
    """The weights in CHECKPOINT: those of a folder of `lwm train` come with its tokenizer and its frames. Raises UsageError."""
    place = absolute_uri(place)
    # The trainer's image has no operator, and knows no folders of `lwm train`.
    if find_spec("lwm_operator") is None or not (folder := _training_folder(place)).exists:
        return Checkpoint(open_weights(place if stage is None else newest_commit(place, stage)), None, None)
    training = folder.training()
    step = newest_commit(training.run_root, stage)
    frames = {dataset.frames for dataset in training.spec.datasets if dataset.kind == "vision"}
    if len(frames) > 1:
        raise click.UsageError(f"{place}: its data sets have frames of different sizes: give --tokens-per-frame and --codebook-size")
    only = next(iter(frames), None)
    sizes = None if only is None else config.Frames(tokens_per_frame=only.tokens_per_frame, codebook_size=only.codebook_size)
    return Checkpoint(open_weights(step), training.spec.tokenizer.uri, sizes)


def _training_folder(place: str) -> "TrainingFolder":
    from lwm_cli.local.folder import TrainingFolder

    return TrainingFolder(Path(place))


def parse_mesh(text: str) -> config.Mesh:
    """`sp=4,tp=2` as a mesh. Raises UsageError."""
    axes = {}
    for part in text.split(","):
        name, equals, size = part.partition("=")
        if not equals or name not in ("dp", "fsdp", "tp", "sp") or not size.isdecimal() or not int(size):
            raise click.UsageError(
                f"--mesh {text}: {part!r} is not an axis: write dp, fsdp, tp or sp, =, and a number, with commas between"
            )
        axes[name] = int(size)
    return config.Mesh(**axes, ulysses=1)
