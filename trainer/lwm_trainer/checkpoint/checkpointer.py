"""Saving and restoring with Orbax. One step holds parameters, optimizer, record and manifest, committed together or not at all."""

import os
import threading
from functools import partial
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from lwm_trainer import config
from lwm_trainer.checkpoint.lineage import committed_steps
from lwm_trainer.checkpoint.retention import prune
from lwm_trainer.checkpoint.training_record import Arrays, Record
from lwm_trainer.model.llama import VISION_TABLES, Params, vision_tables
from lwm_trainer.runtime import console
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.step.train_step import State

OF_ACTIVATIONS = ("model.dtype",)
"""May differ where parameters begin something new: they are float32 on every storage."""


INIT_FROM = "spec.model.initFrom"
"""Said of what the first stage begins with: there it can be mended."""


class ModelManifest(config.Contract):
    """What the parameters of a step folder are; all that a converted model says of itself."""

    version: int = config.CONTRACT_VERSION
    model: config.Model
    context_length: int
    rope_theta: float
    tokenizer_sha256: str | None = None
    """None: the model came without its tokenizer."""
    source: str | None = None
    """Where a conversion read it; None: it was trained here."""


class Manifest(ModelManifest):
    """What a training's checkpoint was made with and how far it came."""

    training: str
    stage: str
    attempt: int
    step: int
    tokens_seen: int
    """Of this stage, padding included."""
    seed: int
    next_row: int
    """The data position: the row after the last one drawn. Rows are a pure function of (seed, row), so this one integer is all of it;
    a rollback that begins at this very step moves on from here."""
    batch_tokens: int
    mesh: config.Mesh
    hosts: int
    cpu_threads: str
    """PJRT_NPROC: a CPU run is bit-exact for one mesh and one thread count."""
    jax: str


def describe(run: config.RunConfig, tokenizer_sha256: str, step: int) -> Manifest:
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
        rope_theta=run.rope_theta,
        mesh=run.mesh,
        hosts=run.gang.hosts,
        model=run.model,
        tokenizer_sha256=tokenizer_sha256,
        cpu_threads=os.environ.get("PJRT_NPROC", ""),
        jax=jax.__version__,
    )


class Saver:
    """Saves into this attempt's folder, asynchronously; of the line of record the newest `keep` steps stay."""

    def __init__(self, run: config.RunConfig, tokenizer_sha256: str, origin_step: int = 0) -> None:
        self._run, self._tokenizer, self._origin_step = run, tokenizer_sha256, origin_step
        self._manager = ocp.CheckpointManager(
            epath.Path(run.attempt_folder()),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=preservation_policy.LatestN(run.checkpoint.max_to_keep),
                cleanup_tmp_directories=True,
                enable_async_checkpointing=True,
            ),
        )
        self._pending: int | None = None
        self._pruning: threading.Thread | None = None

    def save(self, step: int, state: State, record: Record) -> None:
        """Begin to save the state after `step` steps, whose loss has been found finite; waits for an earlier save still under way."""
        self._manager.save(
            step,
            args=ocp.args.Composite(
                params=ocp.args.StandardSave(state["params"]),
                optimizer=ocp.args.StandardSave(state["optimizer"]),
                record=ocp.args.StandardSave(record.copy()),
                manifest=ocp.args.JsonSave(describe(self._run, self._tokenizer, step).model_dump(mode="json", by_alias=True)),
            ),
            force=True,
        )
        self._pending = step

    def newly_committed(self) -> int | None:
        """The step whose save has been committed since the last call, if any. Raises what the save raised."""
        if self._pending is None or self._manager.is_saving_in_progress():
            return None
        self._manager.check_for_errors()
        step, self._pending = self._pending, None
        self._prune()
        return step

    def wait(self) -> int | None:
        """Block until nothing is being saved; returns as `newly_committed`."""
        self._manager.wait_until_finished()
        return self.newly_committed()

    def stop_requested(self, step: int) -> bool:
        """Whether a SIGTERM reached any process: true at the same step on all of them."""
        return bool(self._manager.reached_preemption(step))

    def close(self) -> None:
        self._manager.close()
        if self._pruning is not None:
            self._pruning.join()

    def _prune(self) -> None:
        """Prune earlier attempts' steps, in a thread: nobody waits for the deletion of what nobody reads. What fails is told and left."""
        if jax.process_index() != 0 or (self._pruning is not None and self._pruning.is_alive()):
            return
        own = len(committed_steps(self._run.attempt_folder()))

        def work() -> None:
            try:
                prune(self._run, self._origin_step, own)
            except Exception as error:
                console.warn(f"prune: {type(error).__name__}: {error}; the next commit tries again")

        self._pruning = threading.Thread(target=work, name="prune", daemon=True)
        self._pruning.start()


def _restore(step_folder: str, **items: Any) -> Any:
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as checkpointer:
        return checkpointer.restore(epath.Path(step_folder), args=ocp.args.Composite(**items))


def read_manifest(step_folder: str) -> Manifest:
    """What a training's checkpoint says of itself."""
    return Manifest.model_validate(_manifest(step_folder))


def read_model_manifest(step_folder: str) -> ModelManifest:
    """The same of a converted model too; a training's comes as `Manifest`."""
    return as_model_manifest(_manifest(step_folder))


def as_model_manifest(found: dict[str, Any]) -> ModelManifest:
    """Raises pydantic.ValidationError for one that another version wrote."""
    return (Manifest if "training" in found else ModelManifest).model_validate(found)


def _manifest(step_folder: str) -> dict[str, Any]:
    return _restore(step_folder, manifest=ocp.args.JsonRestore()).manifest  # type: ignore[no-any-return]


def read_record(step_folder: str, steps: int) -> Record:
    """The record of a stage of `steps` steps, without parameters and optimizer."""
    empty = Record.empty(steps, vision=read_manifest(step_folder).model.vision is not None)
    return _record(_restore(step_folder, record=ocp.args.StandardRestore(empty.arrays)).record)


def _record(restored: Arrays) -> Record:
    return Record({name: array.copy() for name, array in restored.items()})


def restore_params(run: config.RunConfig, tokenizer_sha256: str, step_folder: str, abstract: Params) -> Params:
    """Another stage's or a converted model's parameters onto this stage's mesh.

    A model without a vision vocabulary gets this run's, its tables drawn as they are with the run's seed where nothing is restored.
    Raises CheckpointMismatchError for another model or tokenizer; the dtype of activations may be another.
    """
    found, same = read_model_manifest(step_folder), ("model", "tokenizer_sha256")
    grown = found.model_copy(update={"model": grown_to(found.model, run.model)})
    place = f"{INIT_FROM}: {step_folder}" if run.stage_index == 0 else step_folder
    _compare(place, grown, describe(run, tokenizer_sha256, 0), same, free=OF_ACTIVATIONS)
    if found.model.vision == grown.model.vision:
        params: Params = _restore(step_folder, params=ocp.args.StandardRestore(abstract)).params
        return params
    tables = {name: abstract["ends"][name] for name in VISION_TABLES}
    rest = abstract | {"ends": {name: table for name, table in abstract["ends"].items() if name not in tables}}
    params = _restore(step_folder, params=ocp.args.StandardRestore(rest)).params
    draw = jax.jit(partial(vision_tables, run.model), out_shardings={name: table.sharding for name, table in tables.items()})
    return params | {"ends": params["ends"] | draw(jax.random.key(run.seed))}


def restore_all(run: config.RunConfig, tokenizer_sha256: str, step_folder: str, step: int, abstract: State) -> tuple[State, Record]:
    """An earlier attempt's state and record. Raises CheckpointMismatchError when this run would not continue that one."""
    same = ("model", "tokenizer_sha256", "stage", "seed", "context_length", "batch_tokens", "rope_theta", "step", "next_row")
    _compare(step_folder, read_manifest(step_folder), describe(run, tokenizer_sha256, step), same)
    found = _restore(
        step_folder,
        params=ocp.args.StandardRestore(abstract["params"]),
        optimizer=ocp.args.StandardRestore(abstract["optimizer"]),
        record=ocp.args.StandardRestore(Record.empty(run.steps, vision=run.model.vision is not None).arrays),
    )
    return State(params=found.params, optimizer=found.optimizer), _record(found.record)


def _compare(place: str, found: ModelManifest, wanted: Manifest, fields: tuple[str, ...], free: tuple[str, ...] = ()) -> None:
    """Before any array is read. An unknown tokenizer differs from none."""
    if found.tokenizer_sha256 is None:
        free = (*free, "tokenizer_sha256")
    theirs, ours = (manifest.model_dump(include=set(fields)) for manifest in (found, wanted))
    if (first := difference(theirs, ours, free)) is not None:
        cure = "start from a checkpoint of the same model, or use the settings that it was made with"
        if first.field == "tokenizer_sha256":
            cure = "name by spec.tokenizer the tokenizer.json that it was made with, or start from a checkpoint of this tokenizer"
        raise CheckpointMismatchError(f"{place}: {first.field} is {first.theirs} in the checkpoint, but {first.ours} in this run: {cure}")


def grown_to(theirs: config.Model, ours: config.Model) -> config.Model:
    """A model that takes up ours' vision vocabulary when it has none."""
    return theirs.model_copy(update={"vision": ours.vision}) if theirs.vision is None else theirs


class Difference(NamedTuple):
    field: str
    """Such as model.heads."""
    theirs: Any
    ours: Any


def difference(theirs: dict[str, Any], ours: dict[str, Any], free: tuple[str, ...] = ()) -> Difference | None:
    """The first field in which they differ, down into nested ones; those in `free` may."""
    left, right = _flat(theirs), _flat(ours)
    for field in sorted(left.keys() | right.keys(), key=[*right, *left].index):
        if field not in free and left.get(field) != right.get(field):
            return Difference(field, left.get(field), right.get(field))
    return None


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    """{"model": {"heads": 2}} to {"model.heads": 2}, however deep."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= {f"{name}.{inner}": leaf for inner, leaf in _flat(value).items()} if isinstance(value, dict) else {name: value}
    return found
