import pytest

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass
from lwm_operator.plan.failure.retry_backoff import backoff_seconds, count_without_progress
from simulation.builders import cause, failed

APP = cause(FailureClass.APP, "UncaughtException")
PREEMPTED = cause(FailureClass.DISRUPTION, "Preempted")


def fails(count: int, **changes: object) -> tuple[Attempt, ...]:
    return tuple(failed(number, why=APP) for number in range(count, 0, -1))


def test_the_first_restart_after_progress_is_not_delayed() -> None:
    assert backoff_seconds((failed(2, start=10, committed=20, why=APP), failed(1, committed=10, why=APP)), "k") == 0


def test_without_progress_the_delay_doubles_up_to_five_minutes() -> None:
    waits = [backoff_seconds(fails(count), "k") for count in range(1, 9)]
    for wait, full in zip(waits, [10, 20, 40, 80, 160, 300, 300, 300], strict=True):
        assert 0.8 * full <= wait <= full


def test_the_first_loss_of_a_host_is_retried_without_a_delay() -> None:
    assert backoff_seconds((failed(1),), "k") == 0
    assert 8 <= backoff_seconds((failed(2), failed(1)), "k") <= 10


def test_a_disruption_is_retried_without_a_delay_and_hides_no_failure() -> None:
    both = (failed(2, why=PREEMPTED), *fails(1))
    assert backoff_seconds(both, "k") == 0
    assert [count_without_progress(both, disruptions=disruptions) for disruptions in (False, True)] == [1, 1]
    assert 16 <= backoff_seconds((failed(3, why=APP), *both), "k") <= 20


@pytest.mark.parametrize("reason", ["Preempted", "JobDeleted", "PodDeleted", "Superseded", "EvictedByQueue", "NodeGone", "SavedOnRequest"])
def test_from_the_fourth_disruption_without_progress_the_delay_doubles_up_to_five_minutes(reason: str) -> None:
    disrupted = [failed(number, why=cause(FailureClass.DISRUPTION, reason)) for number in range(10, 0, -1)]
    waits = [backoff_seconds(tuple(disrupted[-count:]), "k") for count in range(1, 11)]
    for wait, full in zip(waits, [0, 0, 0, 10, 20, 40, 80, 160, 300, 300], strict=True):
        assert 0.8 * full <= wait <= full
    fruitful = (failed(11, committed=10, why=cause(FailureClass.DISRUPTION, reason)), *disrupted[:9])
    assert backoff_seconds(fruitful, "k") == 0


def test_an_attempt_that_gave_its_nodes_back_waits_longer_each_time() -> None:
    released = cause(FailureClass.DISRUPTION, "PlacementTimeout")
    waits = [backoff_seconds(tuple(failed(number, why=released) for number in range(count, 0, -1)), "k") for count in (1, 2, 3)]
    assert waits == sorted(waits)
    assert waits[0] >= 8


def test_what_was_suspended_begins_anew() -> None:
    suspended = Attempt(number=3, state=AttemptState.SUSPENDED)
    assert backoff_seconds((suspended, *fails(2)), "k") == 0


def test_a_commit_long_ago_counts_again_only_from_there() -> None:
    attempts = (failed(3, start=20), failed(2, start=10, committed=20), failed(1))
    assert count_without_progress(attempts, disruptions=False) == 1


def test_the_jitter_follows_from_the_key() -> None:
    assert backoff_seconds(fails(1), "a") == backoff_seconds(fails(1), "a")
    assert len({backoff_seconds(fails(1), str(key)) for key in range(20)}) > 10
