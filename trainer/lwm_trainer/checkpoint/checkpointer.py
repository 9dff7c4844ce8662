"""Saving and restoring with Orbax. One step holds parameters, optimizer, record and manifest, committed together or not at all.

With `optimizer.emaDecay` it holds the average of the parameters, too.
"""

import threading
from functools import partial
from typing import cast

import jax
import orbax.checkpoint as ocp
from etils import epath
from orbax.checkpoint.checkpoint_managers import preservation_policy

from lwm_trainer import config
from lwm_trainer.checkpoint.checksums import write_checksums
from lwm_trainer.checkpoint.data_identity import continue_data
from lwm_trainer.checkpoint.finite import require_finite
from lwm_trainer.checkpoint.init_from import FIELD
from lwm_trainer.checkpoint.lineage import committed_steps
from lwm_trainer.checkpoint.manifest import (
    make_manifest,
    read_manifest,
    read_model_manifest,
    require_equal,
    require_optimizer_state,
    restore_items,
    with_vision_of,
)
from lwm_trainer.checkpoint.retention import prune_earlier_attempts
from lwm_trainer.checkpoint.step_measurements import StepMeasurements
from lwm_trainer.checkpoint.training_record import Arrays, Record
from lwm_trainer.model.llama import VISION_TABLES, Params, drawing_options, vision_tables
from lwm_trainer.runtime import console
from lwm_trainer.step.train_step import State

SAME_MODEL = ("model", "tokenizer_sha256")
"""Fields of the manifest that must agree where parameters begin another stage."""
SAME_STAGE = (*SAME_MODEL, "stage", "seed", "context_length", "batch_tokens", "rope_theta", "precision", "step", "next_row")
"""Fields that must agree where an attempt continues an earlier one."""


_VALIDATION = "validation"
"""The item of a checkpoint with the losses of all validations, where there was one."""
_MEASUREMENTS = "timings"
"""The item of a checkpoint with the measurements of its steps, called as it was when it had no other; older trainers wrote none."""


class Saver:
    """Saves into this attempt's folder, asynchronously, and keeps the newest steps of the line of record."""

    def __init__(
        self,
        run: config.RunConfig,
        mesh: config.Mesh,
        tokenizer_sha256: str,
        origin_step: int = 0,
        data: config.DataIdentity | None = None,
    ) -> None:
        """`mesh`, `data`: those in use, for the manifest. `origin_step`: the step at which this attempt began."""
        self._run, self._mesh, self._tokenizer, self._origin_step, self._data = run, mesh, tokenizer_sha256, origin_step, data
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
        self._checksums: list[threading.Thread] = []

    def save(self, step: int, state: State, record: Record) -> None:
        """Begin to save the state after `step` steps, whose loss must be known to be finite; waits for an earlier save still under way."""
        manifest = make_manifest(self._run, self._mesh, self._tokenizer, step, self._data)
        items = {
            **{name: ocp.args.StandardSave(tree) for name, tree in state.items()},
            "record": ocp.args.StandardSave(record.copy()),
            _MEASUREMENTS: ocp.args.StandardSave(record.measurements.copy()),
            "manifest": ocp.args.JsonSave(manifest.model_dump(mode="json", by_alias=True)),
        }
        if record.validations:
            items[_VALIDATION] = ocp.args.JsonSave({"losses": [each.model_dump(by_alias=True) for each in record.validations]})
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)
        self._pending = step

    def newly_committed(self) -> int | None:
        """The step whose save has been committed since the last call, if any. Raises what the save raised."""
        if self._pending is None or self._manager.is_saving_in_progress():
            return None
        self._manager.check_for_errors()
        step, self._pending = self._pending, None
        self._write_checksums(step)
        self._prune()
        return step

    def wait(self) -> int | None:
        """Block until nothing is being saved; returns what `newly_committed` returns."""
        self._manager.wait_until_finished()
        return self.newly_committed()

    def finish_checksums(self) -> None:
        """Block until the checksums of all commits are written."""
        while self._checksums:
            self._checksums.pop().join()

    def _write_checksums(self, step: int) -> None:
        """Write the checksums in a thread, so that training does not wait. Without them a commit is examined less closely."""
        folder = config.step_folder(self._run.attempt_folder(), step)

        def work() -> None:
            try:
                write_checksums(folder)
            except Exception as error:
                if epath.Path(folder).exists():
                    console.warn(f"{folder}: no checksums: {type(error).__name__}: {error}")

        self._checksums = [thread for thread in self._checksums if thread.is_alive()]
        self._checksums.append(threading.Thread(target=work, name="checksums", daemon=True))
        self._checksums[-1].start()

    def close(self) -> None:
        self.finish_checksums()
        self._manager.close()
        if self._pruning is not None:
            self._pruning.join()

    def _prune(self) -> None:
        """Delete steps of earlier attempts in a thread, so that training does not wait. After a failure the next commit tries again."""
        if jax.process_index() != 0 or (self._pruning is not None and self._pruning.is_alive()):
            return
        own_commits = len(committed_steps(self._run.attempt_folder()))

        def work() -> None:
            try:
                prune_earlier_attempts(self._run, self._origin_step, own_commits)
            except Exception as error:
                console.warn(f"prune: {type(error).__name__}: {error}; the next commit tries again")

        self._pruning = threading.Thread(target=work, name="prune", daemon=True)
        self._pruning.start()


def read_record(step_folder: str, steps: int) -> Record:
    """The record of a stage of `steps` steps, without parameters and optimizer."""
    manifest = read_manifest(step_folder)
    skips = manifest.optimizer is not None and manifest.optimizer.skip_spikes is not None
    empty = Record.empty(steps, vision=manifest.model.vision is not None, skips=skips)
    return _record(step_folder, restore_items(step_folder, record=ocp.args.StandardRestore(empty.arrays)).record)


def _record(step_folder: str, restored: Arrays) -> Record:
    arrays = {name: array.copy() for name, array in restored.items()}
    return Record(arrays, _read_validations(step_folder), _read_measurements(step_folder, len(arrays["loss_bits"])))


def _read_validations(step_folder: str) -> list[config.ValidationLoss]:
    if not (epath.Path(step_folder) / _VALIDATION).exists():
        return []
    saved = restore_items(step_folder, **{_VALIDATION: ocp.args.JsonRestore()})[_VALIDATION]
    return [config.ValidationLoss.read(each) for each in saved["losses"]]


def _read_measurements(step_folder: str, steps: int) -> StepMeasurements:
    if not (epath.Path(step_folder) / _MEASUREMENTS).exists():
        return StepMeasurements.empty(steps)
    # Without a template, because older trainers measured less.
    return StepMeasurements.of_saved(restore_items(step_folder, **{_MEASUREMENTS: ocp.args.StandardRestore()})[_MEASUREMENTS], steps)


def restore_params(run: config.RunConfig, tokenizer_sha256: str, step_folder: str, abstract: Params) -> Params:
    """Another stage's or a converted model's parameters onto this stage's mesh.

    A model without a vision vocabulary gets this run's. Its tables are drawn with the run's seed, as where nothing is restored.
    Raises CheckpointMismatchError for another model or tokenizer (the precision may be another), and for parameters that are
    not finite.
    """
    saved = read_model_manifest(step_folder)
    grown = saved.model_copy(update={"model": with_vision_of(saved.model, run.model)})
    place = f"{FIELD}: {step_folder}" if run.stage_index == 0 else step_folder
    require_equal(place, grown, make_manifest(run, run.mesh, tokenizer_sha256, 0), SAME_MODEL)
    if saved.model.vision == grown.model.vision:
        params: Params = restore_items(step_folder, params=ocp.args.StandardRestore(abstract)).params
        require_finite(place, params)
        return params
    tables = {name: abstract["ends"][name] for name in VISION_TABLES}
    rest = abstract | {"ends": {name: table for name, table in abstract["ends"].items() if name not in tables}}
    params = restore_items(step_folder, params=ocp.args.StandardRestore(rest)).params
    require_finite(place, params)
    draw = jax.jit(
        partial(vision_tables, run.model),
        out_shardings={name: table.sharding for name, table in tables.items()},
        compiler_options=drawing_options(jax.devices()[0]),
    )
    return params | {"ends": params["ends"] | draw(jax.random.key(run.seed))}


def restore_all(
    run: config.RunConfig, tokenizer_sha256: str, step_folder: str, step: int, abstract: State, data: config.DataIdentity
) -> tuple[State, Record, config.DataIdentity]:
    """An earlier attempt's state and record, on any mesh, and `data` with the changes that the stage has accepted.

    Raises CheckpointMismatchError when this run would not continue that one, and DataChangedError when its data is not that one's.
    """
    saved = read_manifest(step_folder)
    require_equal(step_folder, saved, make_manifest(run, run.mesh, tokenizer_sha256, step), SAME_STAGE)
    require_optimizer_state(step_folder, saved, run.optimizer)
    data = continue_data(step_folder, saved, run, data)
    restored = restore_items(
        step_folder,
        **{name: ocp.args.StandardRestore(tree) for name, tree in abstract.items()},
        record=ocp.args.StandardRestore(Record.empty_of(run).arrays),
    )
    record = _record(step_folder, restored.record)
    record.require_steps(run.steps, step_folder)
    return cast("State", {name: restored[name] for name in abstract}), record, data
