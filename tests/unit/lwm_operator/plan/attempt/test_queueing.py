"""An attempt in a queue: when it waits, when it was evicted, what is said of it, and what is left of it."""

from typing import Any

import pytest

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.plan.actions import CreateAttempt, DeleteAttempt, Plan
from lwm_operator.plan.attempt import queueing
from lwm_operator.plan.attempt.lifecycle import observe_attempt
from lwm_operator.plan.attempt.root_cause import more_specific_cause, root_cause
from lwm_operator.plan.attempt.template_change import template_hash
from lwm_operator.plan.attempt.termination import AttemptObservation
from lwm_operator.plan.failure.failure_classes import RULES
from lwm_operator.plan.failure.retry_backoff import backoff_seconds
from lwm_operator.plan.garbage_collection import delete_queued_leftovers
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView, Waiting
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Phase, TerminationMessage
from simulation.builders import cause, failed, job, later, pod, report, running, seen, situation, status, training

SINCE = "2026-01-01T11:50:00Z"
PREEMPTED = Waiting(reason="Preempted", message="Preempted to accommodate a workload", since=SINCE)
IN_TEAM: dict[str, Any] = {"execution": {"queueName": "team"}}


def held(queued: Waiting | None = PREEMPTED, **changes: Any) -> JobView:
    return job(suspended=True, queue="team", queued=queued, since=SINCE, **changes)


def observe(attempt: Attempt, observed: Observed, seconds: float = 0, **changes: Any) -> AttemptObservation:
    return observe_attempt(attempt, situation(attempt, observed, seconds, **IN_TEAM, **changes))


def planned(attempt: Attempt, observed: Observed, seconds: float = 0, **changes: Any) -> Plan:
    return plan(training(status(attempt), **(IN_TEAM | changes)), observed, later(seconds))


@pytest.mark.parametrize(
    ("child", "pods", "waits", "evicted"),
    [
        (None, (), False, False),
        (job(), (), False, False),
        (job(), (pod(),), False, False),
        (held(), (), True, False),
        (held(), (pod(),), False, True),
        (held(), (pod(state=PodState.PENDING, deleting=True),), True, False),
        (held(failed_indexes=frozenset({1})), (), False, True),
        (held(succeeded=1), (), False, True),
    ],
)
def test_a_suspended_job_is_queued_until_it_has_had_a_pod(
    child: JobView | None, pods: tuple[PodView, ...], waits: bool, evicted: bool
) -> None:
    assert (queueing.is_queued(child, pods), queueing.is_evicted(child, pods)) == (waits, evicted)


def test_a_report_of_process_0_shows_that_there_were_pods() -> None:
    assert queueing.is_evicted(held(), (), report())
    assert not queueing.is_queued(held(), (), report())


@pytest.mark.parametrize(
    ("child", "message", "seconds"),
    [
        (held(None), f"waits in queue team since {SINCE}: no queue has taken it up yet", 5),
        (
            held(Waiting(reason="WaitingForQuota", message="insufficient unused quota\n for cpu", since=SINCE)),
            f"waits in queue team since {SINCE}: WaitingForQuota: insufficient unused quota for cpu",
            30,
        ),
        (
            held(Waiting(reason="", message="no Kueue is installed in this cluster, so nobody admits it", since="")),
            f"waits in queue team since {SINCE}: no Kueue is installed in this cluster, so nobody admits it",
            30,
        ),
        (
            job(suspended=True, since=SINCE),
            f"the Job is suspended since {SINCE}, but not by a queue of spec.execution.queueName: unsuspend it",
            30,
        ),
    ],
)
def test_a_queued_attempt_shows_its_queue_the_time_and_the_message_of_the_queue(child: JobView, message: str, seconds: float) -> None:
    assert queueing.explain_queueing(child) == ("Queued", message, seconds)


def test_messages_of_any_length_fit_into_status() -> None:
    long = held(Waiting(reason="WaitingForQuota", message="x" * 5000, since=SINCE))
    assert len(queueing.explain_queueing(long)[1]) == len(queueing.eviction_cause(long).message) == 1000


def test_a_queued_attempt_shows_in_the_status_and_nothing_else_happens() -> None:
    decided = planned(running(state=AttemptState.CREATING), seen(held(None)))
    assert (decided.status.reason, decided.actions, decided.requeue_after) == ("Queued", (), 5)
    assert decided.status.message == f"stage 1/1 ctx512: attempt 1: waits in queue team since {SINCE}: no queue has taken it up yet"
    assert {each.type: each.status for each in decided.status.conditions}["Progressing"] == "False"


@pytest.mark.parametrize("days", [1, 30])
def test_neither_the_placement_nor_the_silence_is_timed_while_it_waits(days: int) -> None:
    decided = planned(
        running(state=AttemptState.STARTING), seen(held()), days * 86400, execution={**IN_TEAM["execution"], "placementTimeoutSeconds": 10}
    )
    assert (decided.status.reason, decided.status.stages[0].attempts) == ("Queued", 1)


def test_an_admitted_attempt_is_like_any_other() -> None:
    assert planned(running(state=AttemptState.STARTING), seen(job(queue="team"))).status.reason == "PodsMissing"
    assert (
        observe(running(), seen(job(queue="team"), pod(0), pod(1), reports={(1, 1): report(step=3)})).attempt.state == AttemptState.RUNNING
    )


def test_a_queue_name_that_is_edited_before_admission_moves_the_attempt_to_that_queue() -> None:
    waiting = held(template=template_hash(training(**IN_TEAM).spec))
    assert planned(running(state=AttemptState.STARTING), seen(waiting)).actions == ()
    decided = planned(running(state=AttemptState.STARTING), seen(waiting), execution={"queueName": "other"})
    assert [type(action) for action in decided.actions] == [DeleteAttempt, CreateAttempt]
    assert decided.status.stages[0].recent_attempts[1].root_cause is not None
    assert decided.status.stages[0].recent_attempts[1].root_cause.reason == "Superseded"


def test_an_evicted_gang_saves_and_exits_and_the_next_attempt_queues_again() -> None:
    first = observe(running(), seen(held(), pod(0), pod(1), reports={(1, 1): report(step=7, committed_step=5)}))
    assert (first.attempt.state, first.attempt.root_cause and first.attempt.root_cause.reason) == (AttemptState.STOPPING, "EvictedByQueue")
    assert [(action.name, action.grace_seconds) for action in first.actions] == [("bible-s1-a1-0", None), ("bible-s1-a1-1", None)]
    leaving = [pod(index, deleting=True, grace_seconds=120, deletion_deadline="2026-01-01T12:02:00Z") for index in (0, 1)]
    second = observe(first.attempt, seen(held(), *leaving), 60)
    assert (second.actions, second.wait_seconds) == ((), 60)
    words = TerminationMessage(code=81, reason="SavedOnRequest", message="saved step 8", step=8)
    gone = [pod(index, state=PodState.FAILED, exit_code=81, deleting=True, termination_message=words) for index in (0, 1)]
    decided = planned(second.attempt, seen(held(), *gone), 61)
    before, now = decided.status.stages[0].recent_attempts[1], decided.status.stages[0].recent_attempts[0]
    assert before.root_cause is not None
    assert before.root_cause.message == "queue team took the nodes back: Preempted: Preempted to accommodate a workload"
    assert (before.state, before.step, before.host_exits) == (AttemptState.FAILED, 8, "host 0: 81, host 1: 81")
    assert (now.number, now.state, decided.status.stages[0].failures.disruption) == (2, AttemptState.CREATING, 1)
    assert [type(action) for action in decided.actions] == [DeleteAttempt, CreateAttempt]


@pytest.mark.parametrize("left", [{}, {"failed_indexes": frozenset({0, 1})}])
def test_an_eviction_is_recognized_by_the_lease_when_nobody_saw_the_pods(left: dict[str, Any]) -> None:
    """The Job's controller does not count the pods that it takes from a suspended Job."""
    attempt = observe(running(), seen(held(None, **left), reports={(1, 1): report(step=7)})).attempt
    assert (attempt.state, attempt.root_cause and attempt.root_cause.reason) == (AttemptState.FAILED, "EvictedByQueue")
    assert attempt.root_cause is not None
    assert attempt.root_cause.message == "queue team took the nodes back"


def test_an_eviction_before_any_pod_has_run_changes_nothing() -> None:
    admitted = observe(running(state=AttemptState.STARTING), seen(job(queue="team"))).attempt
    assert observe(admitted, seen(held())) == AttemptObservation(attempt=admitted)
    pending = pod(0, state=PodState.PENDING, deleting=True)
    assert observe(admitted, seen(held(), pending)) == AttemptObservation(attempt=admitted), (
        "the Job makes it anew when it is admitted again"
    )


@pytest.mark.parametrize(
    ("phase", "state", "again"),
    [
        (Phase.TRAINING, PodState.PENDING, True),
        (Phase.COMPILING, PodState.PENDING, True),
        (Phase.RENDEZVOUS, PodState.PENDING, False),
        (Phase.TRAINING, PodState.RUNNING, False),
    ],
)
def test_a_job_that_was_readmitted_between_two_passes_has_a_second_gang(phase: Phase, state: PodState, again: bool) -> None:
    observed = seen(job(queue="team"), pod(0), pod(1, state=state), reports={(1, 1): report(phase=phase, step=7)})
    observation = observe(running(), observed)
    assert (observation.attempt.state == AttemptState.STOPPING) is again
    if again:
        assert observation.attempt.root_cause is not None
        cause = observation.attempt.root_cause
        assert (cause.reason, cause.message) == ("EvictedByQueue", "queue team took the nodes back")
        assert len(observation.actions) == 2


@pytest.mark.parametrize("code", [81, 143, 137, 134, 79, 70, 76, None])
def test_an_evicted_pod_has_the_queue_as_its_cause_whatever_its_exit_code(code: int | None) -> None:
    pods = (pod(0, state=PodState.FAILED, exit_code=code, deleting=True), pod(1, deleting=True))
    cause = root_cause(pods, held())
    assert (cause.reason, cause.failure_class, cause.node) == ("EvictedByQueue", FailureClass.DISRUPTION, None)


@pytest.mark.parametrize(("code", "reason"), [(70, "UncaughtException"), (137, "Killed"), (81, "EvictedByQueue"), (79, "EvictedByQueue")])
def test_a_host_that_failed_before_the_eviction_stays_the_cause(code: int, reason: str) -> None:
    taken = pod(0, state=PodState.FAILED, exit_code=70, deleting=True)
    assert root_cause((taken, pod(1, state=PodState.FAILED, exit_code=code)), held()).reason == reason


def test_somebody_who_suspends_a_job_without_a_queue_is_told_how_to() -> None:
    cause = root_cause((pod(0),), job(suspended=True))
    assert (cause.reason, cause.message) == ("EvictedByQueue", "somebody suspended the Job: use spec.suspend instead")


def test_an_eviction_without_kueues_reason_has_none() -> None:
    absent = Waiting(reason="", message="no Kueue is installed in this cluster, so nobody admits it", since="")
    assert queueing.eviction_cause(held(absent)).message == queueing.eviction_cause(held(None)).message == "queue team took the nodes back"


def test_an_eviction_tells_more_than_a_deletion_and_less_than_a_failure() -> None:
    new = queueing.eviction_cause(held())
    assert more_specific_cause(cause(FailureClass.DISRUPTION, "PodDeleted"), new) == new
    assert more_specific_cause(cause(FailureClass.INFRA, "HostLost"), new) == new
    assert more_specific_cause(cause(FailureClass.APP, "UncaughtException"), new).reason == "UncaughtException"
    assert more_specific_cause(cause(FailureClass.INFRA, "NodeNotReady"), new).reason == "NodeNotReady"
    again = queueing.eviction_cause(held(None))
    assert more_specific_cause(new, again) == new


def test_an_eviction_uses_the_budget_of_disruptions_and_costs_no_time_where_the_attempt_bore_fruit() -> None:
    cause = queueing.eviction_cause(held())
    assert RULES[cause.failure_class].budget == "disruption"
    evicted = tuple(failed(number, start=number, committed=number + 1, why=cause) for number in range(10, 0, -1))
    assert backoff_seconds(evicted, "k") == 0
    fruitless = tuple(failed(number, why=cause) for number in range(10, 0, -1))
    assert [backoff_seconds(fruitless[-count:], "k") > 0 for count in (1, 3, 4)] == [False, False, True]


def test_a_training_that_is_suspended_while_queued_leaves_the_queue() -> None:
    decided = planned(running(state=AttemptState.STARTING), seen(held()), suspend=True)
    assert (decided.status.reason, decided.status.stages[0].recent_attempts[0].state) == ("Suspended", AttemptState.SUSPENDED)
    assert decided.actions == (DeleteAttempt(stage=1, attempt=1, jobs=(("bible-s1-a1", "job-1-1"),)),)
    assert decided.status.stages[0].failures.disruption == 0


@pytest.mark.parametrize(
    ("state", "child", "pods", "names"),
    [
        (AttemptState.STARTING, held(), (), []),
        (AttemptState.STOPPING, held(), (), []),
        (AttemptState.SUSPENDED, held(), (), ["bible-s1-a1"]),
        (AttemptState.FAILED, held(), (), ["bible-s1-a1"]),
        (AttemptState.FAILED, held(), (pod(),), []),
        (AttemptState.FAILED, held(failed=True), (), []),
        (AttemptState.FAILED, job(), (), []),
    ],
)
def test_a_suspended_job_of_an_ended_attempt_is_not_left_to_be_admitted(
    state: AttemptState, child: JobView, pods: tuple[PodView, ...], names: list[str]
) -> None:
    entries = (StageStatus(name="a", attempts=1, recent_attempts=(running(state=state),)),)
    assert [name for action in delete_queued_leftovers(entries, seen(child, *pods)) for name, _ in action.jobs] == names
    older = (StageStatus(name="a", attempts=2, recent_attempts=(running(2), running(state=state))),)
    assert [name for action in delete_queued_leftovers(older, seen(child, *pods)) for name, _ in action.jobs] == (
        [] if pods or child.failed or not child.suspended else ["bible-s1-a1"]
    )


def test_hosts_that_completed_while_the_queue_took_the_job_back_have_completed() -> None:
    done = tuple(pod(index, state=PodState.SUCCEEDED, exit_code=0) for index in (0, 1))
    attempt = observe(running(), seen(held(succeeded=2), *done)).attempt
    assert (attempt.state, attempt.root_cause and attempt.root_cause.reason) == (AttemptState.FAILED, "CompletedWithoutCheckpoint")
