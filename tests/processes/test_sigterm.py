"""SIGTERM before there is anything to save, in a validation, and when all is done. (While training: test_resume.)"""

import signal
import time
from pathlib import Path

from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.config import ExitCode
from processes.gang import Gang, a_run, patched
from processes.patches import LAST_STEP, long_compile, sigterm_as_training_begins, sigterm_in_a_validation, stop_at_the_last_step

ALONE = {"job": "tiny-s1-a1", "service": "tiny", "hosts": 1, "devicesPerHost": 2, "platform": "cpu", "coordinator": ""}


def stage(folder: Path, name: str, **changes: object) -> dict[str, object]:
    checkpoint = {"root": str(folder / name), "saveIntervalSteps": 1000}
    return a_run(folder, gang=ALONE, mesh={"sp": 2}, checkpoint=checkpoint, **changes)


def test_a_sigterm_while_compiling_ends_the_process_in_seconds(folder: Path) -> None:
    with Gang(stage(folder, "stopped"), folder / "stopped-1", command=patched(long_compile)) as gang:
        gang.wait_for((folder / "stopped-compiles").exists)
        time.sleep(0.5)
        began = time.monotonic()
        gang.processes[0].send_signal(signal.SIGTERM)
        assert gang.wait(30) == [ExitCode.SAVED_ON_REQUEST], gang.output()
        assert time.monotonic() - began < 3
        assert gang.last_words().message == "SIGTERM before the first step: nothing new to save"


def test_a_sigterm_at_the_last_step_leaves_the_stage_complete(folder: Path) -> None:
    run = stage(folder, "stopped-late", steps=LAST_STEP)
    with Gang(run, folder / "stopped-late-1", command=patched(stop_at_the_last_step)) as gang:
        assert gang.final().step == LAST_STEP


def test_a_sigterm_in_the_moment_in_which_training_begins_is_not_lost(folder: Path) -> None:
    run = stage(folder, "stopped-early", steps=2000)
    with Gang(run, folder / "stopped-early-1", command=patched(sigterm_as_training_begins)) as gang:
        assert gang.wait() == [ExitCode.SAVED_ON_REQUEST], gang.output()
        words = gang.last_words()
        assert words.message == f"SIGTERM: step {words.step} is saved"
        assert words.step > 0


def test_a_sigterm_interrupts_a_validation_which_the_next_attempt_makes_up_for(folder: Path) -> None:
    validation = {"datasets": [{"name": "texts", "kind": "text", "uri": str(folder / "texts")}], "batches": 100, "intervalSteps": 2}
    attempts = [
        stage(folder, "interrupted", steps=3, validation=validation, attempt=number, start={"earlierAttempts": earlier})
        for number, earlier in ((1, []), (2, [1]))
    ]
    with Gang(attempts[0], folder / "interrupted-1", command=patched(sigterm_in_a_validation)) as gang:
        assert gang.wait() == [ExitCode.SAVED_ON_REQUEST], gang.output()
        assert (gang.last_words().message, gang.last_words().step) == ("SIGTERM: step 2 is saved", 2)
    with Gang(attempts[1], folder / "interrupted-2") as gang:
        final = gang.final()
    assert [each.step for each in read_record(final.checkpoint, 3).validations] == [2, 3]
