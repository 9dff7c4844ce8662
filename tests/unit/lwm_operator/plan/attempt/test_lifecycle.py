from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass
from lwm_operator.plan.actions import DeletePod
from lwm_operator.plan.attempt.lifecycle import observe_attempt
from lwm_operator.plan.attempt.termination import AttemptObservation
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.stage_status import apply_report
from lwm_trainer.config import Phase, TerminationMessage
from simulation.builders import NOW, cause, final, job, pod, report, running, seen, situation


def observe(attempt: Attempt, observed: Observed, seconds: float = 0) -> AttemptObservation:
    ctx = situation(attempt, observed, seconds)
    return observe_attempt(apply_report(ctx.entry, ctx.report).recent_attempts[0], ctx)


def test_an_intent_becomes_an_attempt_when_its_job_is_there() -> None:
    intent = Attempt(number=1, state=AttemptState.CREATING)
    assert observe(intent, seen()).attempt == intent
    attempt = observe(intent, seen(job(), pod(0), pod(1))).attempt
    assert (attempt.state, attempt.job_uid) == (AttemptState.STARTING, "job-1-1")


def test_it_runs_when_the_trainer_says_so_and_all_hosts_run() -> None:
    reports = {(1, 1): report(step=3, committed_step=0)}
    assert observe(running(state=AttemptState.STARTING), seen(job(), pod(0), pod(1), reports=reports)).attempt.state == AttemptState.RUNNING
    compiling = {(1, 1): report(phase=Phase.COMPILING)}
    assert observe(running(), seen(job(), pod(0), pod(1), reports=compiling)).attempt.state == AttemptState.STARTING


def test_a_host_that_fails_for_a_known_reason_ends_the_attempt_and_survivors_get_a_moment_to_exit() -> None:
    observed = seen(job(), pod(0), pod(1, state=PodState.FAILED, exit_code=137))
    observation = observe(running(), observed)
    assert observation.attempt.state == AttemptState.STOPPING
    assert observation.attempt.root_cause is not None
    assert observation.attempt.root_cause.reason == "Killed"
    assert (observation.actions, observation.wait_seconds) == ((), 1.5)
    observation = observe(observation.attempt, observed, 2)
    assert observation.actions == (DeletePod(name="bible-s1-a1-0", uid="bible-s1-a1-0", grace_seconds=1),)
    gone = seen(job(), pod(0, state=PodState.FAILED, exit_code=143), pod(1, state=PodState.FAILED, exit_code=137))
    ended = observe(observation.attempt, gone, 12).attempt
    assert (ended.state, ended.root_cause) == (AttemptState.FAILED, observation.attempt.root_cause)


def test_a_late_termination_message_of_the_culprit_replaces_that_of_a_victim() -> None:
    first = observe(running(), seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1))).attempt
    assert first.root_cause is not None
    assert first.root_cause.reason == "HostLost"
    alone = seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1))
    assert observe(first, alone, 9).actions == (), "where only victims speak, the others get ten seconds"
    assert [action.name for action in observe(first, alone, 10).actions] == ["bible-s1-a1-1"]
    both = seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1, state=PodState.FAILED, exit_code=70))
    ended = observe(first, both, 2).attempt
    assert (ended.state, ended.root_cause and ended.root_cause.reason) == (AttemptState.FAILED, "UncaughtException")


def test_a_pod_that_is_already_being_deleted_fast_is_not_deleted_again() -> None:
    stopping = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    leaving = pod(0, deleting=True, grace_seconds=1)
    slow = pod(1, deleting=True, grace_seconds=30)
    assert [action.name for action in observe(stopping, seen(job(), leaving, slow)).actions] == [slow.name]


def test_a_zombie_on_a_lost_node_does_not_block_the_next_attempt() -> None:
    stopping = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    zombie = pod(1, deleting=True, grace_seconds=5)
    assert observe(stopping, seen(job(), zombie)).attempt.state == AttemptState.STOPPING
    assert observe(stopping, seen(job(), zombie, lost=("node2",))).attempt.state == AttemptState.FAILED


def test_a_deleted_job_is_a_lost_attempt() -> None:
    attempt = observe(running(), seen(pod(0), pod(1))).attempt
    assert (attempt.state, attempt.root_cause and attempt.root_cause.reason) == (AttemptState.STOPPING, "JobDeleted")
    other = observe(running(), seen(job(uid="another"), pod(0))).attempt
    assert other.root_cause is not None
    assert other.root_cause.reason == "JobDeleted"


def test_exit_code_0_of_all_hosts_with_the_final_checkpoint_completes() -> None:
    ended = (pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1, state=PodState.SUCCEEDED, exit_code=0))
    observation = observe(running(), seen(job(), *ended, reports={(1, 1): report(phase=Phase.COMPLETE, step=60, final=final())}))
    assert (observation.attempt.state, observation.final) == (AttemptState.COMPLETE, final())
    words = TerminationMessage(code=0, reason="Complete", final=final())
    result = observe(running(), seen(job(), pod(0, state=PodState.SUCCEEDED, exit_code=0, termination_message=words), ended[1]))
    assert result.final == final()


def test_trainers_that_end_well_after_their_attempt_was_given_up_complete_it() -> None:
    stopping = running(state=AttemptState.STOPPING, root_cause=cause(FailureClass.HANG, "LeaseNotRenewed"), host_exits="0: still running")
    words = TerminationMessage(code=0, reason="Complete", final=final())
    ended = pod(0, state=PodState.SUCCEEDED, exit_code=0, termination_message=words)
    observation = observe(stopping, seen(job(), ended, pod(1, state=PodState.SUCCEEDED, exit_code=0)))
    assert (observation.attempt.state, observation.final) == (AttemptState.COMPLETE, final())
    assert (observation.attempt.root_cause, observation.attempt.host_exits) == (None, None)
    for others in (pod(1, state=PodState.FAILED, exit_code=137), pod(1, deleting=True)):
        assert observe(stopping, seen(job(), ended, others)).final is None
    mute = observe(stopping, seen(job(succeeded=2))).attempt
    assert (mute.state, mute.root_cause) == (AttemptState.FAILED, stopping.root_cause), "nobody knows of a last checkpoint"


def test_a_complete_job_without_pods_counts() -> None:
    observation = observe(running(), seen(job(succeeded=2), reports={(1, 1): report(final=final())}))
    assert observation.attempt.state == AttemptState.COMPLETE


def test_one_host_that_is_done_is_not_all() -> None:
    reports = {(1, 1): report(final=final())}
    observation = observe(running(), seen(job(), pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1), reports=reports))
    assert observation.attempt.state == AttemptState.RUNNING


def test_a_sidecar_that_fails_after_its_trainer_ended_well_costs_nothing() -> None:
    """The Job counts the host as failed, and in the end itself."""
    reports = {(1, 1): report(final=final())}
    counted = job(failed_indexes=frozenset({0}))
    done = pod(0, state=PodState.SUCCEEDED, exit_code=0)
    waits = observe(running(), seen(counted, done, pod(1), reports=reports))
    assert (waits.attempt.state, waits.actions) == (AttemptState.RUNNING, ())
    other = pod(1, state=PodState.SUCCEEDED, exit_code=0)
    ended = observe(running(), seen(job(failed_indexes=frozenset({0}), failed=True), done, other, reports=reports))
    assert (ended.attempt.state, ended.final) == (AttemptState.COMPLETE, final())
    gone = observe(running(), seen(counted, pod(1), reports=reports)).attempt
    assert (gone.state, gone.root_cause and gone.root_cause.reason) == (AttemptState.STOPPING, "PodDeleted"), "nobody knows how it ended"


def test_a_failed_job_whose_pods_are_gone_is_complete_when_its_lease_has_the_last_checkpoint() -> None:
    """Sidecars were killed after the trainers had ended well, and the status was lost meanwhile."""
    gone = job(failed_indexes=frozenset({0, 1}), failed=True)
    ended = observe(running(state=AttemptState.CREATING), seen(gone, reports={(1, 1): report(step=60, final=final())}))
    assert (ended.attempt.state, ended.final) == (AttemptState.COMPLETE, final())
    for reports in ({(1, 1): report(step=60)}, {(1, 1): report(step=60, final=final(step=59))}):
        assert observe(running(), seen(gone, reports=reports)).attempt.state == AttemptState.FAILED
    left = observe(running(), seen(gone, pod(0, state=PodState.FAILED, exit_code=70), reports={(1, 1): report(step=60, final=final())}))
    assert left.attempt.state == AttemptState.FAILED, "a pod tells better"


def test_exit_code_0_without_the_final_checkpoint_is_a_failure() -> None:
    ended = (pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1, state=PodState.SUCCEEDED, exit_code=0))
    for reports in ({}, {(1, 1): report(final=final(step=59))}):
        attempt = observe(running(), seen(job(), *ended, reports=reports)).attempt
        assert (attempt.state, attempt.root_cause and attempt.root_cause.reason) == (AttemptState.FAILED, "CompletedWithoutCheckpoint")


def test_the_report_of_another_attempt_is_ignored() -> None:
    attempt = observe(running(), seen(job(), pod(0), pod(1), reports={(1, 1): report(attempt=2, step=50, committed_step=50)})).attempt
    assert (attempt.step, attempt.committed_step) == (0, 0)


def test_the_given_time_is_written() -> None:
    observation = observe(running(), seen(job(), pod(0, state=PodState.FAILED, exit_code=1)))
    assert observation.attempt.finished_at == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_lost_node_is_added_to_the_record_when_it_is_known() -> None:
    victim = pod(0, state=PodState.FAILED, exit_code=134)
    first = observe(running(), seen(job(), victim, pod(1))).attempt
    assert first.root_cause is not None
    assert (first.root_cause.reason, first.root_cause.node) == ("HostLost", "node2"), "the silent host is the suspect"
    later_on = observe(first, seen(job(), victim, pod(1, deleting=True, grace_seconds=1), lost=("node2",)), 45).attempt
    assert (later_on.state, later_on.root_cause and later_on.root_cause.reason) == (AttemptState.FAILED, "NodeNotReady")


def test_survivors_that_we_delete_do_not_become_the_cause() -> None:
    victim = pod(0, state=PodState.FAILED, exit_code=134)
    first = observe(running(), seen(job(), victim, pod(1))).attempt
    deleted = pod(1, state=PodState.FAILED, exit_code=137, deleting=True, grace_seconds=1)
    ended = observe(first, seen(job(), victim, deleted), 14).attempt
    assert (ended.state, ended.root_cause and ended.root_cause.reason) == (AttemptState.FAILED, "HostLost")


def test_a_host_alone_on_a_node_that_is_not_ready_is_lost_when_its_lease_stays_silent() -> None:
    alone, reports = pod(0), {(1, 1): report(step=3)}
    fresh = seen(job(), alone, lost=("node1",), reports=reports, renewed="2026-01-01T11:59:50Z")
    assert observe(running(), fresh).attempt.state == AttemptState.RUNNING, "its management is lost, its work is not"
    silent = seen(job(), alone, lost=("node1",), reports=reports, renewed="2026-01-01T11:59:00Z")
    noticed = observe(running(), silent)
    assert (noticed.attempt.state, noticed.wait_seconds) == (AttemptState.RUNNING, 20)
    attempt = observe(noticed.attempt, silent, 20).attempt
    assert (attempt.state, attempt.root_cause and attempt.root_cause.reason) == (AttemptState.FAILED, "NodeNotReady")


def test_after_an_outage_of_the_api_a_node_that_looks_lost_is_no_loss_once_the_lease_is_renewed() -> None:
    alone, reports = pod(0), {(1, 1): report(step=3)}
    noticed = observe(running(), seen(job(), alone, lost=("node1",), reports=reports, renewed="2026-01-01T11:59:00Z")).attempt
    renewed = seen(job(), alone, lost=("node1",), reports=reports, renewed="2026-01-01T12:00:08Z")
    again = observe(noticed, renewed, 20).attempt
    assert (again.state, again.stale_lease) == (AttemptState.RUNNING, None)


def test_a_pod_that_is_overdue_for_two_minutes_is_not_waited_for() -> None:
    stopping = running(state=AttemptState.STOPPING, finished_at="2026-01-01T11:00:00Z")
    stuck = pod(1, deleting=True, grace_seconds=1, deletion_deadline="2026-01-01T12:00:00Z")
    assert observe(stopping, seen(job(), stuck), 100).attempt.state == AttemptState.STOPPING
    assert observe(stopping, seen(job(), stuck), 121).attempt.state == AttemptState.FAILED


def test_suspending_deletes_every_pod_once_with_its_own_grace_period_and_ends_when_they_are_gone() -> None:
    observation = observe_attempt(running(), situation(running(), seen(job(), pod(0), pod(1)), suspend=True))
    assert observation.attempt.state == AttemptState.SUSPENDING
    assert [(action.name, action.grace_seconds) for action in observation.actions] == [("bible-s1-a1-0", None), ("bible-s1-a1-1", None)]
    leaving = seen(job(), pod(0, deleting=True), pod(1, state=PodState.FAILED, exit_code=81))
    again = observe_attempt(observation.attempt, situation(observation.attempt, leaving, 20, suspend=True))
    assert (again.attempt.state, again.actions) == (AttemptState.SUSPENDING, ())
    gone = observe_attempt(observation.attempt, situation(observation.attempt, seen(job(failed=True)), 30, suspend=True)).attempt
    assert (gone.state, gone.root_cause) == (AttemptState.SUSPENDED, None)


def test_a_stage_that_completes_while_it_is_suspended_is_complete() -> None:
    ended = (pod(0, state=PodState.SUCCEEDED, exit_code=0), pod(1, state=PodState.SUCCEEDED, exit_code=0))
    suspending = running(state=AttemptState.SUSPENDING)
    observed = seen(job(), *ended, reports={(1, 1): report(phase=Phase.COMPLETE, step=60, final=final())})
    assert observe_attempt(suspending, situation(suspending, observed, suspend=True)).attempt.state == AttemptState.COMPLETE


def test_how_every_host_ended_outlives_the_pods() -> None:
    observation = observe(running(), seen(job(), pod(0, state=PodState.FAILED, exit_code=79), pod(1, state=PodState.FAILED, exit_code=137)))
    assert observation.attempt.host_exits == "host 0: 79, host 1: 137"


def test_a_pod_that_is_evicted_keeps_its_grace_period_and_so_do_its_peers() -> None:
    taken = pod(1, deleting=True, grace_seconds=120, deletion_deadline="2026-01-01T12:02:00Z", reason="Evicted")
    observation = observe(running(), seen(job(), pod(0), taken), 1)
    assert (observation.attempt.state, observation.actions, observation.wait_seconds) == (AttemptState.STOPPING, (), 119)
    assert observation.attempt.root_cause is not None
    assert (observation.attempt.root_cause.reason, observation.attempt.root_cause.node) == ("Evicted", "node2")
    saved = seen(job(failed_indexes=frozenset({1})), pod(0))
    later_on = observe(observation.attempt, saved, 9)
    assert (later_on.actions, later_on.wait_seconds) == ((), 10), "its peer leaves with it, or a moment later"
    assert later_on.attempt.root_cause == observation.attempt.root_cause, "the reason outlives the pod"
    assert [action.name for action in observe(later_on.attempt, saved, 19).actions] == ["bible-s1-a1-0"]


def test_a_grace_period_that_is_over_is_not_extended() -> None:
    stuck = pod(1, deleting=True, grace_seconds=120, deletion_deadline="2026-01-01T12:02:00Z", reason="Evicted")
    stopping = observe(running(), seen(job(), stuck), 1).attempt
    over = observe(stopping, seen(job(), stuck), 121).attempt
    assert [action.grace_seconds for action in observe(over, seen(job(), stuck), 131).actions] == [1]
