"""SIGTERM before there is anything to save, and when all is done. (While training: test_resume.)"""

import signal
import time
from pathlib import Path

from lwm_trainer.config import ExitCode
from processes.gang import Gang, a_run, patched

ALONE = {"job": "tiny-s1-a1", "service": "tiny", "hosts": 1, "devicesPerHost": 2, "platform": "cpu", "coordinator": ""}

LONG_COMPILE = """
import lwm_trainer.train as train
make = train.make_program
def make_program(run, mesh):
    open(run.checkpoint.root + "-compiles", "w").close()
    import ctypes
    ctypes.CDLL(None).sleep(600)  # like XLA: the interpreter's lock is free, but this thread runs no Python
    return make(run, mesh)
train.make_program = make_program
"""

STOP_AGREED_ON_AT_THE_LAST_STEP = """
import lwm_trainer.train as train
train.Saver.stop_requested = lambda self, step: step >= 4
"""

SIGTERM_TO_ITSELF_AS_TRAINING_BEGINS = """
import os, signal
import lwm_trainer.standing as standing
enter = standing.PhaseTracker.enter
def enter_and_stop(self, phase):
    enter(self, phase)
    if phase == "Training":
        os.kill(os.getpid(), signal.SIGTERM)
standing.PhaseTracker.enter = enter_and_stop
"""


def stage(folder: Path, name: str, **changes: object) -> dict[str, object]:
    checkpoint = {"root": str(folder / name), "everySteps": 1000}
    return a_run(folder, gang=ALONE, mesh={"sp": 2}, checkpoint=checkpoint, **changes)


def test_a_sigterm_while_compiling_ends_the_process_in_seconds(folder: Path) -> None:
    with Gang(stage(folder, "stopped"), folder / "stopped-1", command=patched(LONG_COMPILE)) as gang:
        gang.wait_for((folder / "stopped-compiles").exists)
        time.sleep(0.5)
        began = time.monotonic()
        gang.processes[0].send_signal(signal.SIGTERM)
        assert gang.wait(30) == [ExitCode.SAVED_ON_REQUEST], gang.output()
        assert time.monotonic() - began < 3
        assert gang.last_words().message == "SIGTERM before the first step: nothing new to save"


def test_a_sigterm_at_the_last_step_leaves_the_stage_complete(folder: Path) -> None:
    run = stage(folder, "stopped-late", steps=4)
    with Gang(run, folder / "stopped-late-1", command=patched(STOP_AGREED_ON_AT_THE_LAST_STEP)) as gang:
        assert gang.final().step == 4


def test_a_sigterm_in_the_moment_in_which_training_begins_is_not_lost(folder: Path) -> None:
    run = stage(folder, "stopped-early", steps=2000)
    with Gang(run, folder / "stopped-early-1", command=patched(SIGTERM_TO_ITSELF_AS_TRAINING_BEGINS)) as gang:
        assert gang.wait(120) == [ExitCode.SAVED_ON_REQUEST], gang.output()
        words = gang.last_words()
        assert words.message == f"SIGTERM: step {words.step} is saved"
        assert words.step > 0
