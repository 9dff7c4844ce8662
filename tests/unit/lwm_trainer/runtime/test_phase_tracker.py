"""Phases, steps and deadlines, by a clock that the test moves."""

from collections.abc import Sequence

import pytest

from lwm_trainer.config import Hang, Phase, TimeSpent
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
    tracker = PhaseTracker(Hang.model_validate(hang), clock=clock)
    tracker.enter(Phase.TRAINING)
    for done, step_seconds in enumerate(seconds, start=1):
        tracker.dispatching(done - 1)
        clock.now += step_seconds
        tracker.step(done, step_seconds)
    return tracker


def test_every_phase_has_a_deadline() -> None:
    assert set(DEADLINES) == set(Phase)


def test_the_first_steps_have_the_time_that_warming_up_takes(clock: Clock) -> None:
    assert trained(clock, [], min_seconds=10).snapshot().deadline_seconds == 1800
    assert trained(clock, [600, 1, 1], min_seconds=10).snapshot().deadline_seconds == 1800
    assert trained(clock, [600, 1, 1], min_seconds=7200).snapshot().deadline_seconds == 7200


def test_later_ones_are_measured_by_a_usual_step_and_the_first_is_none(clock: Clock) -> None:
    assert trained(clock, [600, 2, 2, 2], min_seconds=10, step_factor=10).snapshot().deadline_seconds == 20
    assert trained(clock, [600, 2, 2, 2], min_seconds=300, step_factor=10).snapshot().deadline_seconds == 300
    assert trained(clock, [600] + 60 * [2] + [50], min_seconds=10, step_factor=10).snapshot().deadline_seconds == 20, "one slow step in 60"
    assert trained(clock, [600] + 20 * [2, 2, 2, 30], min_seconds=10, step_factor=10).snapshot().deadline_seconds == 300, (
        "each fourth saves"
    )


def test_idle_counts_from_the_last_step_or_phase(clock: Clock) -> None:
    tracker = trained(clock, [1, 1])
    clock.now += 7
    assert tracker.snapshot().idle_seconds == 7
    tracker.dispatching(2)
    assert (tracker.snapshot().idle_seconds, tracker.snapshot().steps_done, tracker.snapshot().steps_dispatched) == (0, 2, 3)
    clock.now += 5
    with tracker.during(Phase.SAVING):
        clock.now += 60
        assert (tracker.snapshot().phase, tracker.snapshot().idle_seconds, tracker.snapshot().deadline_seconds) == (Phase.SAVING, 60, 1800)
    assert (tracker.snapshot().phase, tracker.snapshot().idle_seconds) == (Phase.TRAINING, 0)


def test_only_a_phase_that_is_entered_calls_the_listener(clock: Clock) -> None:
    phases: list[Phase] = []
    tracker = PhaseTracker(Hang(), clock=clock)
    tracker.listener = lambda: phases.append(tracker.snapshot().phase)
    tracker.enter(Phase.COMPILING)
    assert not tracker.training_started()
    tracker.enter(Phase.TRAINING)
    with tracker.during(Phase.SAVING):
        pass
    assert phases == [Phase.COMPILING, Phase.TRAINING]
    assert tracker.training_started()


def test_the_time_since_the_start_is_split_by_what_was_done(clock: Clock) -> None:
    tracker = PhaseTracker(Hang(), clock=clock)
    for phase, seconds in ((Phase.COMPILING, 3), (Phase.LOADING_DATA, 20), (Phase.RESTORING, 4), (Phase.TRAINING, 5)):
        clock.now += seconds
        tracker.enter(phase)
    clock.now += 10
    tracker.step(1, 10, data_wait_seconds=2)
    with tracker.during(Phase.SAVING):
        clock.now += 6
    clock.now += 1
    spent = {name: seconds for name, seconds in tracker.snapshot().time_spent.items() if seconds}
    assert spent == {"rendezvous": 3, "compiling": 20, "loading_data": 4, "restoring": 5, "training": 9, "data_wait": 2, "saving": 6}
    assert sum(spent.values()) == clock.now - 5000
    tracker.enter(Phase.COMPLETE)
    assert tracker.snapshot().time_spent.keys() == TimeSpent.model_fields.keys()


def test_a_resumed_attempt_counts_on(clock: Clock) -> None:
    tracker = PhaseTracker(Hang(), clock=clock)
    tracker.resumed(40)
    assert (tracker.snapshot().steps_done, tracker.snapshot().steps_dispatched) == (40, 40)
