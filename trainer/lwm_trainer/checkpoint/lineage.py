"""Where an attempt starts from: process 0 decides it once, writes it to the attempt's folder, and broadcasts it to the gang.

An attempt writes only into its own folder. Its `origin.json` names the very step that it started from, so the line of record is the
chain of origins from the attempt that the operator's status names; what a superseded attempt still commits is on no chain.
"""

import json
from collections.abc import Collection
from typing import Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from lwm_trainer import config
from lwm_trainer.checkpoint.checksums import PARAMETERS, agree_on_damage
from lwm_trainer.runtime import console
from lwm_trainer.runtime.errors import AttemptReusedError, CheckpointMismatchError

_MESSAGE_BYTES = 8192
_MOST_DAMAGED = 3
"""Damaged commits that an origin names."""


class Origin(config.Contract):
    """Where an attempt starts from.

    seed: parameters are drawn. stage: parameters of another stage's final checkpoint, all else fresh. attempt: everything of an
    earlier attempt of this stage.
    """

    kind: Literal["seed", "stage", "attempt"]
    checkpoint: str | None = None
    """The Orbax step folder; None for a seed."""
    step: int = 0
    """The stage's steps that are already done."""
    damaged: tuple[str, ...] = ()
    """Newer commits that were passed over, each with its first damaged file."""


def committed_steps(folder: str) -> list[int]:
    """The committed steps in an attempt's folder, ascending. An unfinished save is not one of them."""
    path = epath.Path(folder)
    return sorted(ocp.utils.checkpoint_steps(path)) if path.exists() else []


def commits_on_line(run: config.RunConfig, attempt: int, damaged: Collection[str] = ()) -> list[int]:
    """The steps that an earlier attempt committed and that no rollback has discarded, ascending, without the step folders in `damaged`."""
    until, folder = run.start.counts_until(attempt), run.attempt_folder(attempt)
    steps = [step for step in committed_steps(folder) if until is None or step <= until]
    return [step for step in steps if config.step_folder(folder, step) not in damaged]


def find_origin(run: config.RunConfig, damaged: Collection[str] = ()) -> Origin:
    """The newest commit on the line of this stage's earlier attempts, else that of the predecessor, else the stage before, else the seed.

    Raises CheckpointMismatchError where a commit must exist and none does: parameters are drawn from the seed only where nothing came
    before.
    """
    origin = _newest_on_line(run, damaged)
    if origin is not None and origin.kind == "attempt":
        return origin
    _require_known_commits(run)
    if run.start.predecessor is not None and (inherited := _origin_in_predecessor(run, run.start.predecessor, damaged)) is not None:
        return inherited
    if origin is not None:
        return origin
    if run.start.stage_checkpoint is not None:
        return Origin(kind="stage", checkpoint=run.start.stage_checkpoint)
    if run.stage_index > 0:
        raise CheckpointMismatchError(
            f"{run.stage_folder}: stage {run.stage} has no checkpoint, and the final checkpoint of the stage before is not known: "
            f"name it in status.stages[{run.stage_index - 1}].finalCheckpoint (kubectl edit --subresource=status)"
        )
    return Origin(kind="seed")


def _newest_on_line(run: config.RunConfig, damaged: Collection[str]) -> Origin | None:
    """The newest commit on the line of the earlier attempts, or what the newest of them started from; None when none wrote anything.

    For an earlier attempt without a commit on the line, its own origin counts: that exact step, and no later one of the same folder, is
    on the line, unless a rollback went further back. When that step has been pruned (by a superseded attempt that still runs), the
    attempt before it counts: on one mesh its commits hold the same bits.
    """
    for attempt in run.start.earlier_attempts:
        if steps := commits_on_line(run, attempt, damaged):
            return Origin(kind="attempt", checkpoint=config.step_folder(run.attempt_folder(attempt), steps[-1]), step=steps[-1])
        origin, until = read_origin(run, attempt), run.start.counts_until(attempt)
        if origin is None or (until is not None and origin.step > until):
            continue
        if origin.kind != "attempt" or (_is_committed(str(origin.checkpoint)) and origin.checkpoint not in damaged):
            return origin
    return None


def _require_known_commits(run: config.RunConfig) -> None:
    """Raises CheckpointMismatchError where the operator knows of a commit and no earlier attempt has any, valid or rolled back."""
    if run.start.committed_step and not any(committed_steps(run.attempt_folder(attempt)) for attempt in run.start.earlier_attempts):
        raise CheckpointMismatchError(
            f"{run.stage_folder}: the training's status names a checkpoint of step {run.start.committed_step}, but no attempt has one "
            f"there: restore the folder and raise spec.resume, or create the training anew, with spec.checkpoint.continueRun if the run "
            f"is elsewhere"
        )


def _origin_in_predecessor(run: config.RunConfig, root: str, damaged: Collection[str]) -> Origin | None:
    """The newest commit of this stage in an earlier run; None where that run had not reached this stage.

    Raises CheckpointMismatchError where the first stage has no commit there.
    """
    place = run.checkpoint.model_copy(update={"root": root})
    old = run.model_copy(update={"checkpoint": place})
    folder = epath.Path(old.stage_folder)
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    attempts = sorted((int(name[1:]) for name in names if name[:1] == "a" and name[1:].isdigit()), reverse=True)
    origin = _newest_on_line(old.model_copy(update={"start": config.Start(earlier_attempts=tuple(attempts))}), damaged)
    if origin is not None and origin.kind == "attempt":
        return origin
    if run.stage_index == 0:
        raise CheckpointMismatchError(
            f"spec.checkpoint.continueRun: {root}: there is no checkpoint of stage {run.stage} ({old.stage_folder}): name the "
            f"status.runRoot of a run of this training, or leave it out to begin anew"
        )
    return None


def read_origin(run: config.RunConfig, attempt: int) -> Origin | None:
    """Where an attempt of this stage started from; None when it died before it wrote `origin.json`."""
    file = epath.Path(run.attempt_folder(attempt)) / config.ORIGIN_FILE
    return Origin.read_json(file.read_text()) if file.exists() else None


def _is_committed(step_folder: str) -> bool:
    attempt_folder, _, step = step_folder.rpartition("/")
    return int(step) in committed_steps(attempt_folder)


def _require_no_commits(run: config.RunConfig) -> None:
    if steps := committed_steps(run.attempt_folder()):
        raise AttemptReusedError(
            f"attempt {run.attempt} has committed step {steps[-1]} before: its Job was suspended and resumed; the next attempt continues"
        )


def agree_on_origin(run: config.RunConfig) -> Origin:
    """Process 0 finds the origin and writes it into the attempt's folder; every process returns the same one.

    The files of the commit are examined first. A damaged one is passed over, and the next older one counts. Raises AttemptReusedError
    where the attempt's folder holds commits already: this attempt must not mix its own with them. Raises CheckpointMismatchError where
    no commit is whole.
    """
    damaged: dict[str, str] = {}
    if jax.process_index() == 0:
        _require_no_commits(run)
    while True:
        origin = _share_origin(run, damaged)
        parts = PARAMETERS if origin.kind == "stage" else ("",)
        if origin.checkpoint is None or (damage := agree_on_damage(origin.checkpoint, parts)) is None:
            break
        damaged[origin.checkpoint] = damage
    if jax.process_index() == 0:
        folder = epath.Path(run.attempt_folder())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / config.ORIGIN_FILE).write_text(origin.model_dump_json(by_alias=True))
    return origin


def _share_origin(run: config.RunConfig, damaged: dict[str, str]) -> Origin:
    """The newest commit that is not `damaged` (step folder to its first damaged file), found by process 0 and sent to all."""
    message = np.zeros(_MESSAGE_BYTES, np.uint8)
    if jax.process_index() == 0:
        origin = find_origin(run, damaged)
        folder, damage = next(iter(damaged.items()), ("", ""))
        if damaged and (origin.kind != "attempt" or origin.checkpoint in damaged):
            raise CheckpointMismatchError(
                f"{folder}: {damage}: there is no older checkpoint of stage {run.stage}: restore the folder from a copy, then raise "
                f"spec.resume, or create the training anew"
            )
        origin = origin.model_copy(update={"damaged": tuple(f"{folder}: {damage}" for folder, damage in damaged.items())[:_MOST_DAMAGED]})
        text = origin.model_dump_json().encode()
        message[: len(text)] = np.frombuffer(text, np.uint8)
    shared = np.asarray(multihost_utils.broadcast_one_to_all(message), np.uint8)
    return Origin.model_validate(json.loads(bytes(shared).rstrip(b"\0")))


def report_origin(run: config.RunConfig, origin: Origin) -> None:
    """Print where the attempt starts from, and a warning where the storage has less than the operator knows of."""
    begins = {"seed": "parameters from the seed", "stage": f"parameters of {origin.checkpoint}", "attempt": f"all of {origin.checkpoint}"}
    for damage in origin.damaged:
        console.warn(f"{damage}: this checkpoint is damaged and passed over")
    console.say(f"starts with {begins[origin.kind]}")
    if origin.step < run.start.committed_step and not run.start.rollbacks:
        console.warn(
            f"the training's status names a checkpoint of step {run.start.committed_step}, which is gone or damaged: it goes on from "
            f"step {origin.step}"
        )
