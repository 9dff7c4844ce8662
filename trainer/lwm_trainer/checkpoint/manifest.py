"""The manifest of a checkpoint: what its parameters are, what they were trained with, and whether a run may continue from it."""

import json
import os
from typing import Any, NamedTuple, TypeVar

import jax
import orbax.checkpoint as ocp
import pydantic
from etils import epath

from lwm_trainer import config
from lwm_trainer.runtime.errors import CheckpointMismatchError


class ModelManifest(config.VersionedRecord):
    """What the parameters of a step folder are. A converted model says this much of itself and no more."""

    model: config.Model
    context_length: int
    rope_theta: float
    export_type: config.NumberType = "float32"
    """Type of the tensors in an export that names no other: that of a converted model's files, or of a training's activations."""
    precision: config.Precision | None = None
    """That of the training; None for a converted model, and in checkpoints of older versions."""
    tokenizer_sha256: str | None = None
    """None: the model came without its tokenizer."""
    source: str | None = None
    """Where a conversion read the model; None: a training wrote it."""


M = TypeVar("M", bound=ModelManifest)


class Manifest(ModelManifest):
    """What a training's checkpoint was made with and how far it came."""

    training: str
    stage: str
    attempt: int
    step: int
    tokens_seen: int
    """Tokens of this stage, padding included."""
    seed: int
    next_row: int
    """The data position: the row after the last one drawn. Rows are a pure function of (seed, row), so this one integer is all of it;
    a rollback that begins at this very step moves on from here."""
    batch_tokens: int
    packing: config.Packing | None = None
    loss: config.Loss | None = None
    """The settings of the loss, which decide the weights of targets; None in checkpoints of older versions."""
    optimizer: config.Optimizer | None = None
    """None in checkpoints of older versions, whose optimizer is AdamW."""
    data: config.DataIdentity | None = None
    """What decides the batches beside seed, tokenizer, packing and loss; None, like `packing`, in checkpoints of older versions."""
    mesh: config.Mesh
    """The mesh that the trainer used: with the Ulysses degree, also where the run config left it to the trainer."""
    hosts: int
    cpu_threads: str
    """PJRT_NPROC: a CPU run is bit-exact for one mesh and one thread count."""
    jax: str


def make_manifest(
    run: config.RunConfig, mesh: config.Mesh, tokenizer_sha256: str, step: int, data: config.DataIdentity | None = None
) -> Manifest:
    """The manifest of a checkpoint of `run` after `step` steps on `mesh`."""
    return Manifest(
        training=run.training,
        stage=run.stage,
        attempt=run.attempt,
        step=step,
        tokens_seen=step * run.batch_tokens,
        seed=run.seed,
        next_row=(run.start.batch_of(step - 1) + 1) * run.rows if step else 0,
        context_length=run.context_length,
        batch_tokens=run.batch_tokens,
        packing=run.packing,
        loss=run.loss,
        optimizer=run.optimizer,
        precision=run.precision,
        data=data,
        rope_theta=run.rope_theta,
        export_type=run.precision.compute,
        mesh=mesh,
        hosts=run.gang.hosts,
        model=run.model,
        tokenizer_sha256=tokenizer_sha256,
        cpu_threads=os.environ.get("PJRT_NPROC", ""),
        jax=jax.__version__,
    )


def restore_items(step_folder: str, **items: Any) -> Any:
    """Read the named items of a committed step folder; each value is an Orbax restore argument."""
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        return checkpointer.restore(epath.Path(step_folder), args=ocp.args.Composite(**items))


def read_manifest(step_folder: str) -> Manifest:
    """The manifest of a training's checkpoint. Raises CheckpointMismatchError for one that cannot be read."""
    return _parse(Manifest, _read_json(step_folder), step_folder)


def read_model_manifest(step_folder: str) -> ModelManifest:
    """The manifest of a training's checkpoint or of a converted model; the former comes as `Manifest`.

    Raises CheckpointMismatchError for one that cannot be read.
    """
    return parse_model_manifest(_read_json(step_folder), step_folder)


def read_manifest_alone(step_folder: str) -> Manifest:
    """As `read_manifest`, by one process of a gang: Orbax would wait for the others. Also raises OSError."""
    return _parse(Manifest, json.loads((epath.Path(step_folder) / "manifest" / "metadata").read_text()), step_folder)


def parse_model_manifest(fields: dict[str, Any], place: str) -> ModelManifest:
    """As `read_model_manifest`, from its fields; `place` is named in the error."""
    return _parse(Manifest if "training" in fields else ModelManifest, fields, place)


def _parse(kind: type[M], fields: dict[str, Any], place: str) -> M:
    """A manifest that another version may have written."""
    try:
        manifest = kind.read(fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointMismatchError(
            f"{place}: its manifest cannot be read: {where}: {first['msg']}: was it written by another version? Convert it again"
        ) from error
    if manifest.min_reader_version > config.CONTRACT_VERSION:
        raise CheckpointMismatchError(
            f"{place}: its manifest needs a trainer of contract version {manifest.min_reader_version} or newer, this one has "
            f"{config.CONTRACT_VERSION}: use a newer trainer image, or start from another checkpoint"
        )
    return manifest


def _read_json(step_folder: str) -> dict[str, Any]:
    return restore_items(step_folder, manifest=ocp.args.JsonRestore()).manifest  # type: ignore[no-any-return]


def with_vision_of(theirs: config.Model, ours: config.Model) -> config.Model:
    """The checkpoint's model with our vision vocabulary where it has none: a text model may grow one."""
    return theirs.model_copy(update={"vision": ours.vision}) if theirs.vision is None else theirs


def require_equal(place: str, saved: ModelManifest, expected: Manifest, fields: tuple[str, ...]) -> None:
    """Compare the named fields before any array is read. A checkpoint that does not tell its tokenizer or precision agrees with every one.

    Raises CheckpointMismatchError, which names the first field that differs and the fix.
    """
    known = {field for field in fields if getattr(saved, field) is not None}
    theirs, ours = (manifest.model_dump(include=known) for manifest in (saved, expected))
    if (difference := first_difference(theirs, ours)) is not None:
        fix = "start from a checkpoint of the same model, or use the settings that it was made with"
        if difference.field == "tokenizer_sha256":
            fix = "name by spec.tokenizer the tokenizer.json that it was made with, or start from a checkpoint of this tokenizer"
        raise CheckpointMismatchError(
            f"{place}: {difference.field} is {difference.theirs} in the checkpoint, but {difference.ours} in this run: {fix}"
        )


def require_optimizer_state(place: str, saved: Manifest, optimizer: config.Optimizer) -> None:
    """Raises CheckpointMismatchError where this optimizer has other arrays in its state than the saved one."""
    theirs, ours = (saved.optimizer or config.Optimizer()).state_fields, optimizer.state_fields
    for field in [field for field in ours if field in theirs]:
        if theirs[field] != ours[field]:
            raise CheckpointMismatchError(
                f"{place}: optimizer.{field} is {theirs[field]} in the checkpoint, but {ours[field]} in this run: use the setting that the "
                "stage began with, or change it from the next stage on"
            )


class Difference(NamedTuple):
    field: str
    """The path of the field, such as model.heads."""
    theirs: Any
    ours: Any


def first_difference(theirs: dict[str, Any], ours: dict[str, Any]) -> Difference | None:
    """The first field in which the two differ, down into nested ones."""
    left, right = _flatten(theirs), _flatten(ours)
    for field in sorted(left.keys() | right.keys(), key=[*right, *left].index):
        if left.get(field) != right.get(field):
            return Difference(field, left.get(field), right.get(field))
    return None


def _flatten(tree: dict[str, Any]) -> dict[str, Any]:
    """{"model": {"heads": 2}} to {"model.heads": 2}, however deep."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        leaves |= {f"{name}.{inner}": leaf for inner, leaf in _flatten(value).items()} if isinstance(value, dict) else {name: value}
    return leaves
