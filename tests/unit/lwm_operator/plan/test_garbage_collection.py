from dataclasses import replace

import pytest

from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Condition
from lwm_operator.plan.actions import CleanUp, DeleteAttempt
from lwm_operator.plan.garbage_collection import clean_up_finished, delete_old_attempts, delete_queued_leftovers, delete_stray_pods
from lwm_operator.plan.observed import JobView, PodState
from simulation.builders import NOW, job, later, pod, running, seen


def test_the_last_two_failed_attempts_and_the_newest_of_each_stage_stay() -> None:
    entries = (StageStatus(name="a", attempts=3), StageStatus(name="b", attempts=2))
    jobs = [job(1, 1), job(1, 2), job(1, 3), job(2, 1), job(2, 2)]
    assert [action.jobs for action in delete_old_attempts(entries, 2, seen(*jobs))] == [(("bible-s1-a1", "job-1-1"),)]


def test_an_attempt_with_live_pods_is_not_pruned() -> None:
    entries = (StageStatus(name="a", attempts=4),)
    jobs = [job(1, number) for number in range(1, 5)]
    assert [action.jobs for action in delete_old_attempts(entries, 2, seen(*jobs))] == [(("bible-s1-a1", "job-1-1"),)]
    assert delete_old_attempts(entries, 2, seen(*jobs, pod(attempt=1))) == ()


def test_a_pod_whose_sidecars_outlive_the_trainer_is_deleted_once_its_attempt_has_ended() -> None:
    ended = [pod(index, state=PodState.FAILED, exit_code=137, sidecars_run=True) for index in (0, 1)]
    for state, deleted in ((AttemptState.STOPPING, []), (AttemptState.FAILED, [0, 1]), (AttemptState.COMPLETE, [0, 1])):
        names = [action.name for action in delete_stray_pods(1, running(1, state=state), seen(job(), *ended))]
        assert names == [f"bible-s1-a1-{index}" for index in deleted]
    evidence = pod(state=PodState.FAILED, exit_code=137)
    assert delete_stray_pods(1, running(1, state=AttemptState.FAILED), seen(job(), evidence)) == (), "its logs stay"


@pytest.mark.parametrize(
    ("state", "deleted"),
    [
        (AttemptState.RUNNING, ["bible-s1-a1-0"]),
        (AttemptState.SUSPENDING, ["bible-s1-a1-0"]),
        (AttemptState.SUSPENDED, ["bible-s1-a1-0", "bible-s1-a2-0"]),
        (AttemptState.FAILED, ["bible-s1-a1-0", "bible-s1-a2-0"]),
    ],
)
def test_pods_of_other_attempts_are_strays_and_so_is_one_made_after_the_newest_has_ended(state: AttemptState, deleted: list[str]) -> None:
    observed = seen(pod(attempt=1), pod(attempt=2))
    assert [action.name for action in delete_stray_pods(1, running(2, state), observed)] == deleted


def test_how_many_failures_stay_is_the_users_choice() -> None:
    entries, jobs = (StageStatus(name="a", attempts=4),), [job(1, number) for number in range(1, 5)]
    kept = {limit: 3 - len(delete_old_attempts(entries, limit, seen(*jobs))) for limit in (0, 1, 2, 3, 10)}
    assert kept == {0: 0, 1: 1, 2: 2, 3: 3, 10: 3}


def test_a_finished_training_is_cleaned_up_once_its_time_is_over() -> None:
    ended = (Condition(type="Complete", status="True", reason="Complete", last_transition_time="2026-01-01T12:00:00Z"),)
    going = (Condition(type="Complete", status="False", reason="NotComplete", last_transition_time="2026-01-01T12:00:00Z"),)
    assert clean_up_finished(ended, 60, seen(job()), later(50)) == ((), 10)
    assert clean_up_finished(ended, 60, seen(job()), later(60)) == (
        (CleanUp(attempts=(DeleteAttempt(stage=1, attempt=1, jobs=(("bible-s1-a1", "job-1-1"),)),)),),
        None,
    )
    assert clean_up_finished(ended, 0, seen(job()), NOW)[0] != ()
    for conditions, ttl, observed in ((ended, None, seen(job())), (going, 0, seen(job())), (ended, 0, seen())):
        assert clean_up_finished(conditions, ttl, observed, later(1e6)) == ((), None)


def test_nothing_is_kept_of_an_ended_attempt_whose_job_somebody_deleted() -> None:
    leases = frozenset({(1, 1), (1, 2), (1, 3)})
    for state, left in ((AttemptState.CREATING, [1]), (AttemptState.RUNNING, [1]), (AttemptState.FAILED, [1, 3])):
        entries = (StageStatus(name="a", attempts=3, recent_attempts=(running(3, state=state),)),)
        deletions = delete_old_attempts(entries, 2, replace(seen(job(attempt=2)), leases=leases))
        assert [(action.attempt, action.jobs) for action in deletions] == [(number, ()) for number in left]
    assert delete_old_attempts(entries, 2, replace(seen(pod(attempt=1)), leases=frozenset({(1, 1)}))) == (), "its pods go first"


def test_the_clean_up_of_a_finished_training_does_not_need_a_job() -> None:
    ended = (Condition(type="Complete", status="True", reason="Complete", last_transition_time="2026-01-01T12:00:00Z"),)
    left = replace(seen(), leases=frozenset({(1, 1)}), preparation_leases=frozenset({"bible-d1-r0"}))
    ((clean_up,), _) = clean_up_finished(ended, 60, left, later(61))
    assert [(action.attempt, action.jobs) for action in clean_up.attempts] == [(1, ())]
    assert [(action.name, action.uid) for action in clean_up.preparations] == [("bible-d1-r0", None)]
    assert clean_up_finished(ended, 60, seen(), later(61)) == ((), None)


def test_held_slices_of_an_ended_attempt_go_unless_another_one_was_released() -> None:
    def a_slice(index: int, held: bool) -> JobView:
        return job(name=f"bible-s1-a1-x{index}", uid=f"u{index}", slice=index, held=held)

    def deleted(state: AttemptState, *held: bool) -> int:
        entries = (StageStatus(name="a", attempts=1, recent_attempts=(running(1, state),)),)
        observed = seen(*(a_slice(index, each) for index, each in enumerate(held)))
        return sum(len(deletion.jobs) for deletion in delete_queued_leftovers(entries, observed))

    assert deleted(AttemptState.SUSPENDED, True) == 1
    assert deleted(AttemptState.FAILED, True, True) == 2
    assert deleted(AttemptState.FAILED, False, True) == 0, "the first one's pods have logs"
    assert deleted(AttemptState.CREATING, True) == 0
