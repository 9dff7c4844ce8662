"""A training is followed to its end, and left on a signal."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lwm_cli.local.follow import Outcome, follow
from lwm_operator.api.training import Training
from support.local_training import Machine

HOSTS = ("tiny-s1-a1-0", "tiny-s1-a1-1")


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, ("    - {name: longer, contextLength: 128, batchTokens: 256, steps: 6, mesh: {fsdp: 2, tp: 2}}\n", ""))
    yield machine
    machine.close()


async def outcome(machine: Machine, once_it_trains: Callable[[], None]) -> tuple[Outcome, list[str]]:
    """Follow the training, and act at the first step that is shown; also returns what was printed."""
    lines: list[str] = []
    acted = False

    def show(training: Training) -> None:
        nonlocal acted
        if training.status.reason == "Training" and all(map(machine.trainer.runs, HOSTS)) and not acted:
            acted = True
            once_it_trains()

    async with asyncio.timeout(120):
        return await follow(machine.cluster, show, lines.append), lines


def end_both(machine: Machine, code: int, reason: str = "") -> None:
    for name in HOSTS:
        machine.trainer.end(name, code, reason)


async def test_a_training_is_followed_to_complete(machine: Machine) -> None:
    assert (await outcome(machine, lambda: end_both(machine, 0)))[0] is Outcome.COMPLETE


async def test_a_failure_that_needs_a_person_ends_the_command(machine: Machine) -> None:
    assert (await outcome(machine, lambda: end_both(machine, 65, "BadData")))[0] is Outcome.STOPPED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_has_the_processes_save_and_leave(machine: Machine, number: signal.Signals) -> None:
    left, lines = await outcome(machine, lambda: os.kill(os.getpid(), number))
    assert left is Outcome.LEFT
    assert lines == ["2 processes save and leave; once more: they are killed"]
    assert machine.folder.training().status.reason == "Suspended"


async def test_a_second_signal_does_not_wait_for_anybody(machine: Machine) -> None:
    def stop_and_signal_twice() -> None:
        os.kill(machine.pid(HOSTS[0]), signal.SIGSTOP)  # it would not answer before its grace period is over
        os.kill(os.getpid(), signal.SIGINT)
        asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)

    assert (await outcome(machine, stop_and_signal_twice))[0] is Outcome.LEFT
    machine.restart()
    assert not any(pod.live for pod in (await machine.cluster.observe(machine.folder.training())).pods if pod.attempt == 1)
