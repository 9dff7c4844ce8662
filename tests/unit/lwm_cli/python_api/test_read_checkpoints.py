from pathlib import Path

import numpy as np
import pytest

from lwm_cli.local.folder import parse_stored
from lwm_cli.local.manifest import Options, load_local
from lwm_cli.python_api import read_checkpoints
from lwm_operator.api.training import Training
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import ValidationLoss
from lwm_trainer.runtime.errors import CheckpointMismatchError
from support.local_training import write_file


def training(folder: Path, *stages: dict[str, object]) -> Training:
    loaded = load_local(write_file(folder), Options(), None)
    about = {"name": "tiny", "namespace": "default", "uid": "u"}
    spec = loaded.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return parse_stored({"metadata": about, "spec": spec, "status": {"runRoot": str(folder / "run"), "stages": stages}})


def test_checkpoints_are_the_committed_steps_of_all_attempts(tmp_path: Path) -> None:
    for path in ("s1-short/a1/3", "s1-short/a1/6.orbax-checkpoint-tmp", "s1-short/a2/12", "s2-longer/a1/3"):
        (tmp_path / "run" / path).mkdir(parents=True)
    final = {"path": f"{tmp_path}/run/s1-short/a2/12", "step": 12, "stateHash": "aa", "recordHash": "bb"}
    short = {"name": "short", "attempts": 2, "finalCheckpoint": final}
    rows = list(read_checkpoints.checkpoint_rows(training(tmp_path, short, {"name": "longer", "attempts": 1})))
    assert [(row["stage"], row["attempt"], row["step"], row["final"]) for row in rows] == [
        ("short", 1, 3, False),
        ("short", 2, 12, True),
        ("longer", 1, 3, False),
    ]
    assert [row["record_hash"] for row in rows] == [None, "bb", None]


def record(steps: int) -> Record:
    made = Record.empty(12, vision=True, skips=True)
    made.arrays["loss_bits"][:steps] = np.arange(steps, dtype=np.float32).view(np.uint32)
    made.arrays["skipped"][1] = 1
    made.measurements.tokens[1] = 256
    made.measurements.finished_at[1] = 1
    made.validations += [
        ValidationLoss.read({"step": step, "dataset": "d", "modality": "text", "loss": 0.5 + step, "targets": 1, "positions": []})
        for step in (0, 2)
    ]
    return made


def test_the_record_has_a_row_for_each_committed_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_checkpoints, "newest_commit", lambda root, stage: f"{root}/s1-{stage}/a1/2")
    monkeypatch.setattr(read_checkpoints, "read_record", lambda folder, steps: record(2))
    first, *rows = read_checkpoints.record_rows(training(tmp_path, {"name": "short", "committedStep": 2}))
    assert (first["step"], first["loss"], first["validation/d/text_loss"]) == (0, None, 0.5)
    assert [(row["stage"], row["step"], row["loss"], row["tokens"], row["skipped"]) for row in rows] == [
        ("short", 1, 0.0, None, False),
        ("short", 2, 1.0, 256, True),
    ]
    assert (rows[0]["finished_at"], rows[1]["finished_at"]) == (None, "1970-01-01T00:00:01+00:00")
    assert ("validation/d/text_loss" in rows[0], rows[1]["validation/d/text_loss"]) == (False, 2.5)
    assert rows[0]["vision_loss"] == 0.0


def test_a_commit_that_is_deleted_while_it_is_read_is_passed_over_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter(["a1/3", "a1/6", "a1/6"])
    monkeypatch.setattr(read_checkpoints, "newest_commit", lambda root, stage: next(commits))

    def read(folder: str, steps: int) -> Record:
        if folder == "a1/3":
            raise CheckpointMismatchError("gone")
        return record(6)

    monkeypatch.setattr(read_checkpoints, "read_record", read)
    assert len(list(read_checkpoints.record_rows(training(tmp_path, {"name": "short", "committedStep": 3})))) == 7
