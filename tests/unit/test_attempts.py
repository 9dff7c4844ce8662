from lwm_operator.api.status import Attempt, AttemptState
from lwm_operator.plan.attempts import Looked, look
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.result import DeletePod
from lwm_trainer.config import LastWords, Phase
from world.builders import NOW, final, job, later, pod, report, running, seen


def looked(attempt: Attempt, observed: Observed, seconds: float = 0) -> Looked:
    return look(attempt, 1, 2, 60, observed, later(seconds))


def test_an_intent_becomes_an_attempt_when_its_job_is_there() -> None:
    intent = Attempt(number=1, state=AttemptState.CREATING)
    assert looked(intent, seen()).attempt == intent
    found = looked(intent, seen(job(), pod(0), pod(1))).attempt
    assert (found.state, found.job_uid) == (AttemptState.STARTING, "job-1-1")


def test_it_runs_when_the_trainer_says_so_and_all_hosts_run() -> None:
    reports = {(1, 1): report(step=3, committed_step=0)}
    assert looked(running(state=AttemptState.STARTING), seen(job(), pod(0), pod(1), reports=reports)).attempt.state == AttemptState.RUNNING
    compiling = {(1, 1): report(phase=Phase.COMPILING)}
    assert looked(running(), seen(job(), pod(0), pod(1), reports=compiling)).attempt.state == AttemptState.STARTING


def test_a_failed_host_ends_the_attempt_and_survivors_get_ten_seconds() -> None:
    world = seen(job(), pod(0), pod(1, state=PodState.FAILED, exit_code=137))
    found = looked(running(), world)
    assert found.attempt.state == AttemptState.STOPPING
    assert found.attempt.root_cause is not None
    assert found.attempt.root_cause.reason == "Killed"
    assert (found.actions, found.wait_seconds) == ((), 10)
    found = looked(found.attempt, world, 11)
    assert found.actions == (DeletePod(name="bible-s1-a1-0", uid="bible-s1-a1-0", grace_seconds=5),)
    gone = seen(job(), pod(0, state=PodState.FAILED, exit_code=143), pod(1, state=PodState.FAILED, exit_code=137))
    ended = looked(found.attempt, gone, 12).attempt
    assert (ended.state, ended.root_cause) == (AttemptState.FAILED, found.attempt.root_cause)


def test_late_last_words_of_the_guilty_one_replace_a_victims() -> None:
    first = looked(running(), seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1))).attempt
    assert first.root_cause is not None
    assert first.root_cause.reason == "HostLost"
    both = seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1, state=PodState.FAILED, exit_code=70))
    ended = looked(first, both, 2).attempt
    assert (ended.state, ended.root_cause and ended.root_cause.reason) == (AttemptState.FAILED, "Uncaught")


def test_a_pod_that_is_already_leaving_fast_is_not_deleted_again() -> None:
    stopping = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    leaving = pod(0, deleting=True, grace_seconds=5)
    slow = pod(1, deleting=True, grace_seconds=30)
    assert [action.name for action in looked(stopping, seen(job(), leaving, slow)).actions] == [slow.name]


def test_a_zombie_on_a_lost_node_holds_nothing_up() -> None:
    stopping = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    zombie = pod(1, deleting=True, grace_seconds=5)
    assert looked(stopping, seen(job(), zombie)).attempt.state == AttemptState.STOPPING
    assert looked(stopping, seen(job(), zombie, lost=("node2",))).attempt.state == AttemptState.FAILED


def test_a_deleted_job_is_a_lost_attempt() -> None:
    found = looked(running(), seen(pod(0), pod(1))).attempt
    assert (found.state, found.root_cause and found.root_cause.reason) == (AttemptState.STOPPING, "JobDeleted")
    other = looked(running(), seen(job(uid="another"), pod(0))).attempt
    assert other.root_cause is not None
    assert other.root_cause.reason == "JobDeleted"


def test_exit_code_0_of_all_hosts_with_the_final_checkpoint_completes() -> None:
    ended = (pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1, state=PodState.SUCCEEDED, exit_code=0))
    found = looked(running(), seen(job(), *ended, reports={(1, 1): report(phase=Phase.COMPLETE, step=60, final=final())}))
    assert (found.attempt.state, found.final) == (AttemptState.COMPLETE, final())
    words = LastWords(code=0, reason="Complete", final=final())
    told = looked(running(), seen(job(), pod(0, state=PodState.SUCCEEDED, exit_code=0, words=words), ended[1]))
    assert told.final == final()


def test_a_complete_job_without_pods_counts() -> None:
    found = looked(running(), seen(job(succeeded=2), reports={(1, 1): report(final=final())}))
    assert found.attempt.state == AttemptState.COMPLETE


def test_one_host_that_is_done_is_not_all() -> None:
    found = looked(running(), seen(job(), pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1), reports={(1, 1): report(final=final())}))
    assert found.attempt.state == AttemptState.RUNNING


def test_exit_code_0_without_the_final_checkpoint_is_a_failure() -> None:
    ended = (pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1, state=PodState.SUCCEEDED, exit_code=0))
    for reports in ({}, {(1, 1): report(final=final(step=59))}):
        found = looked(running(), seen(job(), *ended, reports=reports)).attempt
        assert (found.state, found.root_cause and found.root_cause.reason) == (AttemptState.FAILED, "CompletedWithoutCheckpoint")


def test_another_attempts_report_is_not_taken() -> None:
    found = looked(running(), seen(job(), pod(0), pod(1), reports={(1, 1): report(attempt=2, step=50, committed_step=50)})).attempt
    assert (found.step, found.committed_step) == (0, 0)


def test_now_is_what_is_written() -> None:
    found = looked(running(), seen(job(), pod(0, state=PodState.FAILED, exit_code=1)))
    assert found.attempt.finished_at == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
