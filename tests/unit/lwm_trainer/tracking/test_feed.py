"""Trackers that fail, hang and come back, beside one that works."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.tracking.curves import Curves
from lwm_trainer.tracking.feed import Feed
from lwm_trainer.tracking.tracker import Point
from support.builders import a_run, a_step_report

WAIT_SECONDS = 30


class Memory:
    """Keeps the steps it was given. `fail` names the calls that raise, counted from 1, of `resume` and `write` together."""

    def __init__(self, fail: Sequence[int] = (), steps: Sequence[int] = ()) -> None:
        self.name = "memory"
        self.steps, self.closed = list(steps), False
        self._fail, self._calls = fail, 0

    def resume(self) -> int:
        self._call()
        return max(self.steps, default=0)

    def write(self, points: Sequence[Point]) -> None:
        half = len(points) // 2
        self.steps += [point.step for point in points[:half]]
        self._call()
        self.steps += [point.step for point in points[half:]]

    def close(self) -> None:
        self.closed = True

    def _call(self) -> None:
        self._calls += 1
        if self._calls in self._fail:
            raise ConnectionError(f"call {self._calls}")


class Hanging(Memory):
    def __init__(self) -> None:
        super().__init__()
        self.name, self.end = "hanging", threading.Event()

    def write(self, points: Sequence[Point]) -> None:
        self.end.wait(WAIT_SECONDS)


def curves(steps: int = 8) -> Curves:
    run = a_run(steps=steps)
    record = Record.empty_of(run)
    for step in range(1, steps + 1):
        record.add(a_step_report(step))
    return Curves(run, record, np.zeros(steps, np.float32), None)


def test_a_tracker_gets_every_committed_step_once_and_none_beyond(capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Memory()
    feed = Feed(curves(), [tracker])
    feed.committed(3)
    feed.committed(6)
    feed.close(WAIT_SECONDS)
    assert (tracker.steps, tracker.closed) == ([1, 2, 3, 4, 5, 6], True)
    assert capsys.readouterr().err == ""


def test_a_curve_that_has_steps_already_goes_on_behind_them() -> None:
    tracker = Memory(steps=[1, 2, 3, 4])
    feed = Feed(curves(), [tracker])
    feed.committed(6)
    feed.close(WAIT_SECONDS)
    assert tracker.steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("fail", [(1,), (2,), (1, 2), (2, 3)])
def test_after_failures_the_curve_has_every_step_once(fail: tuple[int, ...], capsys: pytest.CaptureFixture[str]) -> None:
    tracker = Memory(fail)
    failures: list[str] = []
    feed = Feed(curves(), [tracker], failures.append)
    for step in range(2, 9, 2):
        seen = len(failures)
        feed.committed(step)
        while tracker.steps[-1:] != [step] and len(failures) == seen < len(fail):
            threading.Event().wait(0.001)
    feed.close(WAIT_SECONDS)
    assert tracker.steps == list(range(1, 9))
    assert failures == ["memory"] * len(fail)
    assert f"trackers.memory: 1 failures, latest: ConnectionError: call {fail[0]}; the next commit tries again" in capsys.readouterr().err


def test_one_that_hangs_holds_up_neither_the_others_nor_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    hanging, tracker = Hanging(), Memory()
    feed = Feed(curves(), [hanging, tracker])
    feed.committed(8)
    feed.close(0.2)
    hanging.end.set()
    error = capsys.readouterr().err
    assert error == "trackers.hanging: it has not confirmed steps 1 to 8; the checkpoint's record has them\n"
    assert tracker.steps == list(range(1, 9))
