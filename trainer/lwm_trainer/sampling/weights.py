"""Weights of a model for generation: a commit of a training, what `lwm convert` wrote, or a Hugging Face folder."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import orbax.checkpoint as ocp
from etils import epath

from lwm_trainer import config
from lwm_trainer.checkpoint.finite import require_finite
from lwm_trainer.checkpoint.lineage import committed_steps
from lwm_trainer.checkpoint.manifest import restore_items
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.names import model_parameters
from lwm_trainer.convert.placement import Progress, load_parameters
from lwm_trainer.convert.rotation import read_half_split
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.model.llama import Params
from lwm_trainer.sampling.parameters import abstract_parameters

HF_CONFIG, TOKENIZER = "config.json", "tokenizer.json"
STAGE = re.compile(r"s(?P<number>\d+)-(?P<name>.+)")
ATTEMPT = re.compile(r"a(?P<number>\d+)")


class Weights(NamedTuple):
    """Where weights lie and what they are; nothing is read before `load`."""

    place: str
    model: config.Model
    precision: config.Precision
    """That of the model's training, as far as it is known."""
    rope_theta: float
    context_length: int
    tokenizer_sha256: str | None
    """The hash of the model's tokenizer; None where it is not known."""
    tokenizer: str | None
    """The tokenizer that lies with the weights."""
    load: Callable[[config.Model, jax.sharding.Mesh], Params]
    """Load all parameters in float32, sharded as in training."""


def open_weights(place: str) -> Weights:
    """Look at the weights in a folder, on disk or `gs://…`.

    Raises WrongArgumentError where there are none, ConversionError and CheckpointMismatchError for those that cannot be read.
    """
    if (epath.Path(place) / HF_CONFIG).exists():
        return _open_hugging_face(Path(place))
    step = find_step(place)
    manifest = StepFolder(step).manifest

    def load(model: config.Model, device_mesh: jax.sharding.Mesh) -> Params:
        abstract = abstract_parameters(model, device_mesh)
        params: Params = restore_items(step, params=ocp.args.StandardRestore(abstract)).params
        require_finite(step, params)
        return params

    return Weights(
        place=step,
        model=manifest.model,
        precision=manifest.precision or config.Precision(compute=manifest.export_type),
        rope_theta=manifest.rope_theta,
        context_length=manifest.context_length,
        tokenizer_sha256=manifest.tokenizer_sha256,
        tokenizer=None,
        load=load,
    )


def find_step(place: str) -> str:
    """The step folder that `place` is, or the newest commit below it. Raises WrongArgumentError where there is none."""
    return place if (epath.Path(place) / "params").exists() else newest_commit(place)


def newest_commit(place: str, stage: str | None = None) -> str:
    """The newest commit below the folder of a training's checkpoints, of a stage or of an attempt; of `stage` alone where it is given.

    Raises WrongArgumentError where there is none.
    """
    folder = epath.Path(place)
    if not folder.exists():
        raise WrongArgumentError(f"{place}: there is no such folder: give a checkpoint, a training's folder, or a Hugging Face folder")
    if (stages := _numbered(folder, STAGE)) or stage is not None:
        names = [match["name"] for match in (STAGE.fullmatch(each.name) for each in stages) if match is not None]
        if stage is not None and stage not in names:
            raise WrongArgumentError(f"--stage {stage}: {place} has no such stage: use one of {', '.join(reversed(names)) or 'none'}")
        stages = [each for each, name in zip(stages, names, strict=True) if stage in (None, name)]
    attempts = [attempt for each in stages or [folder] for attempt in _numbered(each, ATTEMPT)]
    for attempt in attempts or [folder]:
        if steps := committed_steps(str(attempt)):
            return config.step_folder(str(attempt), steps[-1])
    raise WrongArgumentError(
        f"{place}: has no commit of a training, no params/ and no {HF_CONFIG}: give a checkpoint, or the folder of a training or a model"
    )


def _numbered(folder: epath.Path, pattern: re.Pattern[str]) -> list[epath.Path]:
    """The folders whose names match, the highest number first."""
    matches = [(pattern.fullmatch(each.name), each) for each in folder.iterdir()]
    return [each for _, each in sorted(((int(match["number"]), each) for match, each in matches if match), key=lambda pair: -pair[0])]


def _open_hugging_face(folder: Path) -> Weights:
    source = HuggingFaceFolder(folder)
    model_config = read_config(folder / HF_CONFIG, source.vision_vocab_size)

    def load(model: config.Model, device_mesh: jax.sharding.Mesh) -> Params:
        progress = Progress(str(folder), source.check(model_parameters(model), model.tied_embeddings))
        return load_parameters(model, read_half_split(source, "half"), device_mesh, "float32", progress)

    tokenizer = folder / TOKENIZER
    return Weights(
        place=str(folder),
        model=model_config.model,
        precision=config.Precision(compute=model_config.tensor_type),
        rope_theta=model_config.rope_theta,
        context_length=model_config.context_length,
        tokenizer_sha256=None,
        tokenizer=str(tokenizer.absolute()) if tokenizer.exists() else None,
        load=load,
    )
