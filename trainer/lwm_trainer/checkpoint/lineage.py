"""Where an attempt starts from: process 0 decides it once, writes it to the attempt's folder, and broadcasts it to the gang.

An attempt writes only into its own folder. Its `origin.json` names the very step that it started from, so the line of record is the
chain of origins from the attempt that the operator's status names; what a superseded attempt still commits is on no chain.
"""

import json
from typing import Literal

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath
from jax.experimental import multihost_utils

from lwm_trainer import config
from lwm_trainer.runtime.errors import AttemptReusedError

_MESSAGE_BYTES = 4096


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


def committed_steps(folder: str) -> list[int]:
    """The committed steps in an attempt's folder, ascending. An unfinished save is not one of them."""
    path = epath.Path(folder)
    return sorted(ocp.utils.checkpoint_steps(path)) if path.exists() else []


def commits_on_line(run: config.RunConfig, attempt: int) -> list[int]:
    """The steps that an earlier attempt committed and that no rollback has discarded, ascending."""
    until = run.start.counts_until(attempt)
    return [step for step in committed_steps(run.attempt_folder(attempt)) if until is None or step <= until]


def find_origin(run: config.RunConfig) -> Origin:
    """The newest commit on the line of this stage's earlier attempts, else the stage before, else the seed.

    For an earlier attempt without a commit on the line, its own origin counts: that exact step, and no later one of the same folder, is
    on the line, unless a rollback went further back. When that step has been pruned (by a superseded attempt that still runs), the
    attempt before it counts: on one mesh its commits hold the same bits.
    """
    for attempt in run.start.earlier_attempts:
        if steps := commits_on_line(run, attempt):
            return Origin(kind="attempt", checkpoint=config.step_folder(run.attempt_folder(attempt), steps[-1]), step=steps[-1])
        origin, until = read_origin(run, attempt), run.start.counts_until(attempt)
        if origin is None or (until is not None and origin.step > until):
            continue
        if origin.kind != "attempt" or _is_committed(str(origin.checkpoint)):
            return origin
    if run.start.stage_checkpoint is not None:
        return Origin(kind="stage", checkpoint=run.start.stage_checkpoint)
    return Origin(kind="seed")


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

    Raises AttemptReusedError where the folder holds commits already: this attempt must not mix its own with them.
    """
    message = np.zeros(_MESSAGE_BYTES, np.uint8)
    if jax.process_index() == 0:
        _require_no_commits(run)
        origin = find_origin(run)
        folder = epath.Path(run.attempt_folder())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / config.ORIGIN_FILE).write_text(origin.model_dump_json(by_alias=True))
        text = origin.model_dump_json().encode()
        message[: len(text)] = np.frombuffer(text, np.uint8)
    shared = np.asarray(multihost_utils.broadcast_one_to_all(message), np.uint8)
    return Origin.model_validate(json.loads(bytes(shared).rstrip(b"\0")))
