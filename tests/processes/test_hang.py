"""A host that stands still is ended by its own watchdog, and says where it stood."""

import signal
from pathlib import Path

from lwm_trainer.config import ExitCode
from processes.gang import Gang, a_run, patched
from processes.patches import HANG_STEP, host_1_sleeps


def test_a_gang_in_which_one_host_stands_still_ends_and_that_host_says_where(folder: Path) -> None:
    checkpoint = {"root": str(folder / "hang"), "saveIntervalSteps": 1000}
    run = a_run(folder, steps=1000, checkpoint=checkpoint, hang={"minSeconds": 10, "stepFactor": 2})
    with Gang(run, folder / "hang-1", command=patched(host_1_sleeps)) as gang:
        victim, culprit = gang.wait()
        assert culprit == ExitCode.HANG, gang.output(1)
        assert victim in (ExitCode.HANG, ExitCode.PEER_LOST, -signal.SIGABRT), gang.output(0)
        words = gang.last_words(1)
        assert (words.code, words.reason, words.step) == (ExitCode.HANG, "Hang", HANG_STEP)
        assert "Training: nothing new for 1" in words.message
        assert "batch < lwm_trainer/train.py:" in words.message
        assert "most recent call first" in gang.output(1), "the stacks of all threads"
        if victim == ExitCode.HANG:
            assert gang.last_words(0).step > words.step, "the culprit is the one with fewer steps begun"
