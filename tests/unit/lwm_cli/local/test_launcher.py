"""A process ends with the command that started it, whatever ended that."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lwm_cli.local import launcher
from support.fake_trainer import FakeTrainer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_killed_command_has_its_process_save_and_end(tmp_path: Path) -> None:
    trainer = FakeTrainer(tmp_path / "fake")
    (tmp_path / "run.json").write_text('{"workers": 1}')
    variables = {
        "LWM_CONFIG": str(tmp_path / "run.json"),
        "LWM_TERMINATION_PATH": str(tmp_path / "worker.termination"),
        "LWM_REPORT_PATH": str(tmp_path / "report.json"),
        "JOB_COMPLETION_INDEX": "0",
    }
    script = f"""if True:
        import os, subprocess, sys, time
        command = [sys.executable, "-I", "-S", {launcher.__file__!r}, str(os.getpid()), {trainer.python!r}]
        subprocess.Popen(command, start_new_session=True)
        time.sleep(600)"""
    parent = subprocess.Popen([sys.executable, "-c", script], env=os.environ | variables)
    wait_for(lambda: trainer.runs("worker"))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for((tmp_path / "worker.termination").exists)
    wait_for(lambda: '"code": 81' in (tmp_path / "worker.termination").read_text())


def wait_for(done: object) -> None:
    assert callable(done)
    end = time.monotonic() + 120
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)
