"""`lwm train` with the real trainer: left by Ctrl-C and with a process killed, it ends with the bits of a gang that was left alone."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from lwm_cli.local.folder import TrainingFolder
from lwm_operator.api.attempt_status import AttemptState
from processes.gang import Gang
from processes.local_command import RUN, lwm_train, prepare, undisturbed

STEPS = 30


def wait_for_step(place: Path, attempt: int, step: int, command: "subprocess.Popen[bytes]") -> int:
    """Wait until the attempt has reported the step, and return the pid of its process."""
    folder = place / RUN / "attempts" / f"tiny-s1-a{attempt}"
    end = time.monotonic() + 300
    while True:
        assert time.monotonic() < end, (place / "out").read_text()
        assert command.poll() is None, (place / "out").read_text()
        report, record = folder / "report.json", folder / f"tiny-s1-a{attempt}-0.pod.json"
        if report.exists() and json.loads(report.read_text())["step"] >= step:
            return int(json.loads(record.read_text())["pid"])
        time.sleep(0.05)


def test_a_training_left_and_killed_ends_as_one_that_was_left_alone(folder: Path, tmp_path: Path) -> None:
    prepare(tmp_path, folder, STEPS)
    with lwm_train(tmp_path) as command:
        wait_for_step(tmp_path, 1, 3, command)
        command.send_signal(signal.SIGINT)
        assert command.wait(120) == 130, (tmp_path / "out").read_text()
    left = TrainingFolder(tmp_path / RUN).training().status.stages[0]
    assert left.recent_attempts[0].state == AttemptState.SUSPENDED
    assert 3 <= left.committed_step < STEPS
    with lwm_train(tmp_path) as command:
        os.kill(wait_for_step(tmp_path, 2, left.committed_step + 1, command), signal.SIGKILL)
        assert command.wait(300) == 0, (tmp_path / "out").read_text()
    entry = TrainingFolder(tmp_path / RUN).training().status.stages[0]
    assert [each.state for each in entry.recent_attempts] == [AttemptState.COMPLETE, AttemptState.FAILED, AttemptState.SUSPENDED]
    killed = entry.recent_attempts[1].root_cause
    assert killed is not None
    assert killed.reason == "Killed"
    assert entry.final_checkpoint is not None
    with Gang(undisturbed(tmp_path, 3), tmp_path / "gang") as gang:
        final = gang.final()
    assert (final.state_hash, final.record_hash) == (entry.final_checkpoint.state_hash, entry.final_checkpoint.record_hash)
