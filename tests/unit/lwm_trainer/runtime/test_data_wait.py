"""How much of the time in which a batch is made counts as waiting, by a clock and results that the test moves."""

import threading
import time

from lwm_trainer.runtime.data_wait import DataWait


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Step:
    def __init__(self) -> None:
        self._ended = threading.Event()

    def block_until_ready(self) -> None:
        self._ended.wait()

    def end(self, wait: DataWait) -> None:
        """End now; returns once `wait` knows."""
        before = wait._ended
        self._ended.set()
        while wait._ended == before:
            time.sleep(0.001)


def test_devices_wait_from_the_end_of_their_step_until_the_batch_is_made() -> None:
    clock = Clock()
    wait = DataWait(clock)
    with wait.making_batch():
        clock.now += 3
    assert wait.seconds == 3, "nothing runs before the first step"
    first = Step()
    wait.dispatched(first)
    with wait.making_batch():
        clock.now += 5
    assert wait.seconds == 0, "the first step still runs"
    second = Step()
    wait.dispatched(second)
    first.end(wait)
    with wait.making_batch():
        clock.now += 2
        second.end(wait)
        clock.now += 4
    assert wait.seconds == 4
    third = Step()
    wait.dispatched(third)
    third.end(wait)
    clock.now += 50
    with wait.making_batch():
        clock.now += 1
    assert wait.seconds == 1, "before that it was not the batch for which they waited"
