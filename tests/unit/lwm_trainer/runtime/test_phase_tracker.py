"""Phases, steps and deadlines, by a clock that the test moves."""

from collections.abc import Sequence

import pytest

from lwm_trainer.config import Hang, Phase
from lwm_trainer.runtime.phase_tracker import DEADLINES, PhaseTracker


class Clock:
    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trained(clock: Clock, seconds: Sequence[float], **hang: float) -> PhaseTracker:
    standing = PhaseTracker(Hang.model_validate(hang), clock=clock)
    standing.enter(Phase.TRAINING)
    for done, each in enumerate(seconds, start=1):
        standing.handing_over(done - 1)
        clock.now += each
        standing.step(done, each)
    return standing


def test_every_phase_has_a_deadline() -> None:
    assert set(DEADLINES) == set(Phase)


def test_the_first_steps_have_the_time_that_warming_up_takes(clock: Clock) -> None:
    assert trained(clock, [], min_seconds=10).now().deadline_seconds == 1800
    assert trained(clock, [600, 1, 1], min_seconds=10).now().deadline_seconds == 1800
    assert trained(clock, [600, 1, 1], min_seconds=7200).now().deadline_seconds == 7200


def test_later_ones_are_measured_by_a_usual_step_and_the_first_is_none(clock: Clock) -> None:
    assert trained(clock, [600, 2, 2, 2], min_seconds=10, step_factor=10).now().deadline_seconds == 20
    assert trained(clock, [600, 2, 2, 2], min_seconds=300, step_factor=10).now().deadline_seconds == 300
    assert trained(clock, [600] + 60 * [2] + [50], min_seconds=10, step_factor=10).now().deadline_seconds == 20, "one slow step in 60"
    assert trained(clock, [600] + 20 * [2, 2, 2, 30], min_seconds=10, step_factor=10).now().deadline_seconds == 300, "each fourth saves"


def test_idle_counts_from_the_last_step_or_phase(clock: Clock) -> None:
    standing = trained(clock, [1, 1])
    clock.now += 7
    assert standing.now().idle_seconds == 7
    standing.handing_over(2)
    assert (standing.now().idle_seconds, standing.now().done, standing.now().handed_over) == (0, 2, 3)
    clock.now += 5
    with standing.during(Phase.SAVING):
        clock.now += 60
        assert (standing.now().phase, standing.now().idle_seconds, standing.now().deadline_seconds) == (Phase.SAVING, 60, 1800)
    assert (standing.now().phase, standing.now().idle_seconds) == (Phase.TRAINING, 0)


def test_only_a_phase_that_lasts_is_told_at_once(clock: Clock) -> None:
    told: list[Phase] = []
    standing = PhaseTracker(Hang(), clock=clock)
    standing.listener = lambda: told.append(standing.now().phase)
    standing.enter(Phase.COMPILING)
    assert not standing.trains()
    standing.enter(Phase.TRAINING)
    with standing.during(Phase.SAVING):
        pass
    assert told == [Phase.COMPILING, Phase.TRAINING]
    assert standing.trains()


def test_a_resumed_attempt_counts_on(clock: Clock) -> None:
    standing = PhaseTracker(Hang(), clock=clock)
    standing.resumed(40)
    assert (standing.now().done, standing.now().handed_over) == (40, 40)
