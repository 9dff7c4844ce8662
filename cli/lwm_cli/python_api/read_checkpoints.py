"""Reads checkpoints in a process of its own: `python -m lwm_cli.python_api.read_checkpoints checkpoints|record`.

The training's object is JSON on standard input, the rows are JSON on standard output. The caller's process imports no JAX and takes no
accelerator away from a training that runs.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from lwm_cli.places import parse_body
from lwm_operator.api.training import Training
from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.checkpoint.lineage import committed_steps
from lwm_trainer.checkpoint.training_record import MODALITIES, SKIPPED, Record
from lwm_trainer.config import step_folder
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.sampling.weights import newest_commit

TRIES = 3
"""A running trainer may delete an old commit between the moment in which it is listed and that in which it is read."""


def checkpoint_rows(training: Training) -> Iterator[dict[str, Any]]:
    """The committed step folders of all attempts, as `Checkpoint`."""
    for number, entry in enumerate(training.status.stages, 1):
        for attempt in range(1, entry.attempts + 1):
            folder = f"{training.run_root}/s{number}-{entry.name}/a{attempt}"
            for step in committed_steps(folder):
                path, final = step_folder(folder, step), entry.final_checkpoint
                is_final = final is not None and final.path == path
                yield {
                    "stage": entry.name,
                    "attempt": attempt,
                    "step": step,
                    "path": path,
                    "final": is_final,
                    "state_hash": final.state_hash if final is not None and is_final else None,
                    "record_hash": final.record_hash if final is not None and is_final else None,
                }


def record_rows(training: Training) -> Iterator[dict[str, Any]]:
    """The committed steps of all stages, as `Step`. Raises CheckpointMismatchError for a checkpoint that cannot be read."""
    begun = {entry.name for entry in training.status.stages if entry.committed_step or entry.final_checkpoint}
    for stage in training.spec.stages:
        if stage.name in begun:
            record, steps = _newest_record(training.run_root, stage.name, stage.total_steps)
            yield from _rows(stage.name, record, steps)


def _newest_record(run_root: str, stage: str, steps: int) -> tuple[Record, int]:
    """The record of the stage's newest commit, and the commit's step."""
    for left in reversed(range(TRIES)):
        folder = newest_commit(run_root, stage)
        try:
            return read_record(folder, steps), int(folder.rpartition("/")[2])
        except (CheckpointMismatchError, OSError, ValueError):
            if left == 0 or folder == newest_commit(run_root, stage):
                raise
    raise AssertionError("the last try returns or raises")


def _rows(stage: str, record: Record, steps: int) -> Iterator[dict[str, Any]]:
    held_out: dict[int, dict[str, float]] = {}
    for each in record.validations:
        held_out.setdefault(each.step, {})[f"validation/{each.dataset}/{each.modality}_loss"] = each.loss
    if 0 in held_out:
        nothing = dict.fromkeys(("loss", "grad_norm", "tokens", "seconds", "finished_at"))
        yield {"stage": stage, "step": 0, **nothing, **held_out[0]}
    modalities = [name for name in MODALITIES if f"{name}_loss_bits" in record.arrays]
    measurements = record.measurements
    for index in range(steps):
        finished = int(measurements.finished_at[index])
        row: dict[str, Any] = {
            "stage": stage,
            "step": index + 1,
            "loss": float(record.losses[index]),
            "grad_norm": float(record.grad_norms[index]),
            "tokens": int(measurements.tokens[index]) or None,
            "seconds": float(measurements.seconds[index]) or None,
            "finished_at": datetime.fromtimestamp(finished, UTC).isoformat() if finished else None,
        }
        row |= {f"{name}_loss": float(record.modality_losses(name)[index]) for name in modalities}
        if SKIPPED in record.arrays:
            row["skipped"] = bool(record.skipped[index])
        yield row | held_out.get(index + 1, {})


def main(what: str) -> int:
    """Returns the exit code: 1 with a sentence on standard error where something cannot be read."""
    training = parse_body(json.load(sys.stdin))
    try:
        rows = list({"checkpoints": checkpoint_rows, "record": record_rows}[what](training))
    except (CheckpointMismatchError, WrongArgumentError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    json.dump(rows, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
