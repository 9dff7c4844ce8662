from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.plan.attempt.termination import fast_delete, finish_attempt, graceful_delete, terminate
from lwm_operator.plan.observed import PodState
from simulation.builders import cause, job, pod, running, seen, situation


def test_a_graceful_deletion_leaves_the_pods_own_grace_period_and_is_requested_once() -> None:
    pods = [pod(0), pod(1, deleting=True)]
    assert [(action.name, action.grace_seconds) for action in graceful_delete(pods)] == [("bible-s1-a1-0", None)]


def test_a_fast_deletion_shortens_a_longer_grace_period() -> None:
    pods = [pod(0), pod(1, deleting=True, grace_seconds=30), pod(2, deleting=True, grace_seconds=1)]
    assert [(action.name, action.grace_seconds) for action in fast_delete(pods)] == [("bible-s1-a1-0", 1), ("bible-s1-a1-1", 1)]


def test_survivors_have_no_time_to_exit_when_the_operator_decided_the_end() -> None:
    attempt = running(state=AttemptState.STOPPING, root_cause=cause(reason="PlacementTimeout"))
    observation = terminate(attempt, situation(attempt, seen(job(), pod(0), pod(1))))
    assert [action.grace_seconds for action in observation.actions] == [1, 1]


def test_survivors_of_an_eviction_by_the_queue_save_and_exit() -> None:
    attempt = running(state=AttemptState.STOPPING, root_cause=cause(reason="EvictedByQueue"))
    observation = terminate(attempt, situation(attempt, seen(job(suspended=True), pod(0), pod(1))))
    assert [action.grace_seconds for action in observation.actions] == [None, None]


def test_an_attempt_without_survivors_has_failed() -> None:
    attempt = running(state=AttemptState.STOPPING, root_cause=cause(), finished_at="2026-01-01T11:00:00Z")
    ended = pod(0, state=PodState.FAILED, exit_code=137)
    assert terminate(attempt, situation(attempt, seen(job(), ended))).attempt.state == AttemptState.FAILED


def test_the_time_at_which_stopping_began_stays_the_end_of_the_attempt() -> None:
    attempt = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    finished = finish_attempt(attempt, AttemptState.FAILED, situation(attempt, seen(), 60))
    assert (finished.state, finished.finished_at) == (AttemptState.FAILED, "2026-01-01T11:00:00Z")
