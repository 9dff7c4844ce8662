"""`lwm report` on a folder of `lwm train` with a checkpoint, and on that checkpoint."""

import re
from pathlib import Path

import numpy as np
import pytest

from lwm_cli.__main__ import main
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from lwm_trainer.checkpoint.checkpointer import Saver
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.step.train_step import State
from support.builders import a_run, a_step_report
from support.local_training import write_file

ROOT_CAUSE = {"class": "Infra", "reason": "PeerLost", "message": "host 1 was lost", "host": 1}
ATTEMPTS = [
    {"number": 2, "state": "Running", "startedAt": "2026-11-30T10:02:00Z", "fromStep": 2, "step": 2, "committedStep": 2},
    {
        "number": 1,
        "state": "Failed",
        "startedAt": "2026-11-30T10:00:00Z",
        "finishedAt": "2026-11-30T10:01:30Z",
        "step": 2,
        "committedStep": 2,
        "timeSpent": {"compiling": 30, "training": 40},
        "rootCause": ROOT_CAUSE,
    },
]
STAGE = {"name": "short", "state": "Running", "step": 2, "totalSteps": 12, "loss": "4.5000", "tokensPerSecond": "1234", "committedStep": 2}
LOSSES = (5.25, 4.5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    tmp_path = tmp_path_factory.mktemp("report")
    run = a_run(training="tiny", stage="short", steps=12, checkpoint={"root": f"{tmp_path}/checkpoints", "save_interval_steps": 1})
    record = Record.empty(12)
    for step, loss in enumerate(LOSSES, 1):
        record.add(a_step_report(step, loss=loss))
    saver = Saver(run, run.mesh, "0" * 64)
    saver.save(2, State(params={"w": np.ones(3, np.float32)}, optimizer={"m": np.ones(3, np.float32)}), record)
    saver.wait()
    saver.close()
    spec = load_local(write_file(tmp_path), Options(), None).spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    spec["podTemplate"] = {"env": [{"name": "TOKEN", "value": "hush-hush"}]}
    made = TrainingFolder(tmp_path / "runs" / "tiny")
    made.create("tiny", spec)
    stage = {
        **STAGE,
        "attempts": 2,
        "restarts": 1,
        "validationLoss": "4.6100",
        "gate": "Failed",
        "gateSuites": [{"suite": "needle", "score": "0.2500", "interval": "0.1 to 0.4", "questions": 20, "minScore": "0.9"}],
        "startedAt": "2026-11-30T10:00:00Z",
        "failures": {"infra": 1},
        "recentAttempts": ATTEMPTS,
    }
    status = {"phase": "Running", "reason": "Training", "message": "step 2/12", "runRoot": f"{tmp_path}/checkpoints", "stages": [stage]}
    made.change(lambda body: body.update(status=status))
    made.add_event(
        {"time": "2026-11-30T10:01:30Z", "type": "Warning", "reason": "AttemptFailed", "message": "attempt 1 failed", "key": "a"}
    )
    return made


def words(page: str) -> str:
    """What a reader sees, with single spaces."""
    body = page.partition("<body>")[2]
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_a_training_is_told_from_its_status_its_events_and_the_record_of_its_checkpoint(folder: TrainingFolder, tmp_path: Path) -> None:
    assert main(["report", str(folder.path), "--out", f"{tmp_path}/a/report.html"]) == 0
    page = (tmp_path / "a" / "report.html").read_text()
    seen = words(page)
    assert "tiny Report of" in seen
    assert "Running Training: step 2/12 stages complete 0 of 2 tokens trained 512 newest loss 4.5000 failed attempts 1" in seen
    assert "short Running 64 10,000 2 of 12 5.2500 4.5000 4.6100, needle 0.2500 of 0.9, gate Failed 1,234" in seen
    assert "longer Pending 128" in seen
    assert page.count("<polyline") == 1
    assert "short 1 Failed 0 to 2 2 2026-11-30T10:00:00Z 2m PeerLost (Infra) host 1: host 1 was lost" in seen
    assert seen.index("short 1 Failed") < seen.index("short 2 Running")
    assert "Where the time went spent on time share" in seen
    assert re.search(r"compilation 30s 0\.0 %", seen), "attempt 2 runs until now"
    assert "AttemptFailed 1 attempt 1 failed" in seen
    assert f"short: newest checkpoint {folder.path.parents[1]}/checkpoints/s1-short/a1/2" in seen
    assert "tokenizer SHA-256 " + "0" * 64 in seen
    assert "hush-hush" not in page
    assert "(left out of the report)" in page


def test_a_checkpoint_is_told_from_its_manifest_and_record(
    folder: TrainingFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"{folder.path.parents[1]}/checkpoints/s1-short/a1/2"
    assert main(["report", place, "--out", f"{tmp_path}/report.html"]) == 0
    seen = words((tmp_path / "report.html").read_text())
    assert "Step 2 of stage short of training tiny, attempt 1. tokens of the stage 1,024 first loss 5.2500 newest loss 4.5000" in seen
    assert f"checkpoint {place}" in seen
    assert "Step 2 of stage short" in capsys.readouterr().out


def test_a_checkpoint_that_is_gone_is_a_note_and_no_error(folder: TrainingFolder, tmp_path: Path) -> None:
    copy = TrainingFolder(tmp_path / "copy")
    copy.create("tiny", folder.body()["spec"])
    copy.change(lambda body: body.update(status={**folder.body()["status"], "runRoot": f"{tmp_path}/gone"}))
    assert main(["report", str(copy.path), "--out", f"{tmp_path}/report.html"]) == 0
    assert "short: its losses cannot be read from here" in words((tmp_path / "report.html").read_text())


def test_targets_and_results_that_are_not_there_are_named(
    folder: TrainingFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder.path), "--evals", str(tmp_path), "--out", f"{tmp_path}/report.html"]) == 1
    assert "no results.json is there or below" in capsys.readouterr().err
    assert main(["report", f"{tmp_path}/none/there", "--out", f"{tmp_path}/report.html"]) == 1
    assert "no lwm train has written there" in capsys.readouterr().err
    assert main(["report", str(tmp_path), "--out", f"{tmp_path}/report.html"]) != 0
    assert "has no commit of a training" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_options_of_samples_that_cannot_count_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path), "--tokenizer", "tokenizer.json"]) == 2
    assert "--tokenizer is of --samples: give both" in capsys.readouterr().err
    assert main(["report", "lwm-7b", "--samples", "texts"]) == 2
    assert "--samples: lwm-7b is no folder of this machine" in capsys.readouterr().err
