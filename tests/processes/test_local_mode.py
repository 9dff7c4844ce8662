"""`lwm train` with the real trainer: left by Ctrl-C and with a process killed, it ends with the bits of a gang that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lwm_cli.local.folder import TrainingFolder
from lwm_operator.api.status import AttemptState
from lwm_trainer.config import REPORT_VARIABLE
from processes.gang import Gang
from processes.patches import slow_batches
from support import compiled_programs

STEPS = 30
TEXT = """\
apiVersion: lwm.dev/v1alpha1
kind: LWMTraining
metadata: {{name: tiny}}
spec:
  model: {{layers: 2, width: 64, heads: 4, kvHeads: 2, headDim: 16, mlpWidth: 128, vocabSize: 512}}
  tokenizer: {{uri: "file:{folder}/tokenizer.json"}}
  datasets: [{{name: words, source: {{uri: "file:{folder}/texts"}}}}]
  checkpoint: {{uri: file:runs, saveIntervalSteps: 10}}
  accelerator: {{type: cpu, cpu: {{hosts: 1, devicesPerHost: 2, threads: 2}}}}
  stages:
    - {{name: short, contextLength: 64, batchTokens: 256, steps: {steps}, mesh: {{sp: 2}}, optimizer: {{peakLearningRate: 0.01}}}}
"""


SITE_CUSTOMIZE = f"""\
import os
if "{REPORT_VARIABLE}" in os.environ:
    from lwm_trainer.runtime import sigterm
    sigterm.block()
    from {slow_batches.__module__} import {slow_batches.__name__}
    {slow_batches.__name__}()
"""
"""It slows the trainers that `lwm train` starts: reports come once a second, in which a fast machine would train the whole stage."""


@contextmanager
def lwm_train(place: Path) -> Iterator["subprocess.Popen[bytes]"]:
    site = place / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE_CUSTOMIZE)
    with (place / "out").open("ab") as out:
        command = [sys.executable, "-m", "lwm_cli", "train", "tiny.yaml"]
        process = subprocess.Popen(command, cwd=place, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, "PYTHONPATH": str(site)})
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for_step(place: Path, attempt: int, step: int, command: "subprocess.Popen[bytes]") -> int:
    """Wait until the attempt has reported the step, and return the pid of its process."""
    folder = place / "runs" / "tiny" / "attempts" / f"tiny-s1-a{attempt}"
    end = time.monotonic() + 300
    while True:
        assert time.monotonic() < end, (place / "out").read_text()
        assert command.poll() is None, (place / "out").read_text()
        report, record = folder / "report.json", folder / f"tiny-s1-a{attempt}-0.pod.json"
        if report.exists() and json.loads(report.read_text())["step"] >= step:
            return int(json.loads(record.read_text())["pid"])
        time.sleep(0.05)


def test_a_training_left_and_killed_ends_as_one_that_was_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TEXT.format(folder=folder, steps=STEPS))
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "compile-cache").symlink_to(compiled_programs.FOLDER)
    with lwm_train(tmp_path) as command:
        wait_for_step(tmp_path, 1, 3, command)
        command.send_signal(signal.SIGINT)
        assert command.wait(120) == 130, (tmp_path / "out").read_text()
    left = TrainingFolder(tmp_path / "runs" / "tiny").training().status.stages[0]
    assert left.recent_attempts[0].state == AttemptState.SUSPENDED
    assert 3 <= left.committed_step < STEPS
    with lwm_train(tmp_path) as command:
        os.kill(wait_for_step(tmp_path, 2, left.committed_step + 1, command), signal.SIGKILL)
        assert command.wait(300) == 0, (tmp_path / "out").read_text()
    entry = TrainingFolder(tmp_path / "runs" / "tiny").training().status.stages[0]
    assert [each.state for each in entry.recent_attempts] == [AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED]
    killed = entry.recent_attempts[1].root_cause
    assert killed is not None
    assert killed.reason == "Killed"
    assert entry.final_checkpoint is not None
    with Gang(undisturbed(tmp_path), tmp_path / "gang") as gang:
        final = gang.final()
    assert (final.state_hash, final.record_hash) == (entry.final_checkpoint.state_hash, entry.final_checkpoint.record_hash)


def undisturbed(place: Path) -> dict[str, Any]:
    """The run config of the last attempt, to begin anew elsewhere."""
    run: dict[str, Any] = json.loads((place / "runs" / "tiny" / "attempts" / "tiny-s1-a3" / "run.json").read_text())
    return run | {"attempt": 1, "start": {}, "checkpoint": run["checkpoint"] | {"root": str(place / "undisturbed")}}
