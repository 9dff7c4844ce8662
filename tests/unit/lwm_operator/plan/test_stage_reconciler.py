"""Attempts of a stage after failures, suspensions, refusals and interrupted releases."""

from dataclasses import replace
from datetime import timedelta

from lwm_operator.api.attempt_status import AttemptState, FailureClass
from lwm_operator.api.stage_status import Failures, StageState
from lwm_operator.api.status import NodeFault, Phase
from lwm_operator.plan.actions import ActionFailure, CreateAttempt, CreatePreparation, DeletePod
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.plan import plan
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import Rollback, Start
from simulation.builders import NOW, cause, failed, job, later, pod, running, seen, status, training
from unit.lwm_operator.plan.simulated_stages import THREE, begins, created, new_simulation, through


def test_the_attempt_after_a_lost_host_knows_all_earlier_attempts() -> None:
    simulation = new_simulation(stages=THREE)
    through(simulation)
    for _ in range(2):
        simulation.reconcile()
        simulation.start()
        simulation.train(10, commit=True)
        simulation.reconcile()
        simulation.fail(1, 137)
        assert simulation.reconcile().status.phase == Phase.RECOVERING
        simulation.wait(11)
        simulation.reconcile()
        simulation.terminate_deleted()
        simulation.reconcile()
    again = simulation.created[-1]
    assert (again.stage, again.attempt, again.start) == (
        2,
        3,
        Start(earlier_attempts=(2, 1), stage_checkpoint="gs://s1/a1/60", committed_step=20),
    )
    assert again.avoided_nodes == ("node2",), "it was the root cause twice"
    stage = simulation.training.status.stages[1]
    assert (stage.attempts, stage.restarts) == (3, 2)
    assert [attempt.root_cause and attempt.root_cause.reason for attempt in stage.recent_attempts] == [None, "Killed", "Killed"]


def test_a_failure_without_progress_backs_off_and_says_until_when() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.fail(0, 70)
    simulation.fail(1, 79)
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason) == (Phase.RECOVERING, "BackingOff")
    assert decided.status.message.startswith("stage 1/1 ctx512: attempt 2 at 2026-01-01T12:00:")
    assert "UncaughtException: host 0" in decided.status.message
    assert decided.actions == ()
    assert decided.requeue_after is not None
    simulation.wait(decided.requeue_after)
    assert begins(simulation.reconcile()) == (1, 2, Start(earlier_attempts=(1,)))


def test_a_permanent_code_fails_the_training_until_resume_is_raised() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.fail(0, 65)
    simulation.fail(1, 79)
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.FAILED, "BadData", ())
    assert [event.reason for event in decided.events] == ["AttemptFailed", "TrainingFailed"]
    assert "fix it, then set spec.resume to 1" in decided.status.message
    simulation.wait(3600)
    simulation.edit()
    assert simulation.reconcile().actions == (), "an edit alone is no word to go on"
    simulation.edit(resume=1)
    decided = simulation.reconcile()
    assert [(action.attempt, action.start) for action in created(decided)] == [(2, Start(earlier_attempts=(1,)))]
    assert (decided.status.phase, decided.status.observed_resume) == (Phase.RECOVERING, 1)
    assert created(simulation.reconcile()) == []


def test_failures_without_progress_end_in_paused_and_resume_gives_fresh_budgets() -> None:
    simulation = new_simulation(failurePolicy={"budgets": {"app": 1}})
    for _ in range(2):
        decided = simulation.reconcile()
        simulation.wait(decided.requeue_after or 0)
        simulation.reconcile()
        simulation.start()
        simulation.fail(0, 70)
        simulation.fail(1, 79)
        decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.requeue_after) == (Phase.PAUSED, "UncaughtException", None)
    stalled = {condition.type: condition.status for condition in decided.status.conditions}["Stalled"]
    assert stalled == "True"
    assert "2 failures of class App without a new checkpoint, failurePolicy.budgets.app is 1" in decided.status.message
    assert [event.reason for event in decided.events] == ["AttemptFailed", "TrainingPaused"]
    simulation.edit(resume=1)
    simulation.reconcile()
    simulation.start()
    simulation.fail(0, 70)
    simulation.fail(1, 79)
    assert simulation.reconcile().status.phase == Phase.RECOVERING


def test_suspending_saves_and_exits_and_resuming_starts_at_once_without_a_charge() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    simulation.train(10, commit=True)
    simulation.reconcile()
    simulation.edit(suspend=True)
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason) == (Phase.SUSPENDED, "Suspending")
    assert [action.grace_seconds for action in decided.actions if isinstance(action, DeletePod)] == [None, None]
    simulation.terminate_deleted()
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.SUSPENDED, "Suspended", ())
    assert {condition.type: condition.status for condition in decided.status.conditions}["Suspended"] == "True"
    simulation.wait(86400)
    assert simulation.reconcile().actions == ()
    simulation.edit(suspend=False)
    decided = simulation.reconcile()
    assert [(action.attempt, action.start) for action in created(decided)] == [(2, Start(earlier_attempts=(1,), committed_step=10))]
    stage = decided.status.stages[0]
    assert (stage.failures, stage.budgets_used.infra) == (Failures(), 0)


def test_a_training_that_is_created_suspended_creates_nothing() -> None:
    decided = new_simulation(suspend=True).reconcile()
    assert (decided.actions, decided.status.phase, decided.status.current_stage) == ((), Phase.SUSPENDED, None)


def test_a_divergence_discards_the_newest_commit_and_starts_a_line_of_its_own() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    for _ in range(3):
        simulation.train(10, commit=True)
    simulation.train(7, commit=False)
    simulation.reconcile()
    for host in (0, 1):
        simulation.fail(host, 80)
    decided = simulation.reconcile()
    assert created(decided)[0].start == Start(
        earlier_attempts=(1,), rollbacks=(Rollback(attempt=2, step=20, skip_batches=18),), committed_step=20
    )
    started = next(event for event in decided.events if event.reason == "AttemptStarted")
    assert "rolled back to step 20, 18 batches skipped" in started.message


def test_the_number_that_resumes_is_above_every_number_that_was_seen() -> None:
    stopped = status(failed(4, why=cause(FailureClass.PERMANENT, "BadData")), state=StageState.FAILED)
    for seen_before, resume, advice in ((0, 0, 1), (1, 1, 2), (1, 0, 2), (7, 3, 8)):
        current = training(stopped.model_copy(update={"observed_resume": seen_before}), resume=resume)
        decided = plan(current, seen(), NOW)
        assert decided.status.message.endswith(f"fix it, then set spec.resume to {advice}")
        followed = plan(training(decided.status, resume=advice), seen(), later(100))
        assert followed.status.phase not in (Phase.FAILED, Phase.PAUSED), "who follows the advice resumes"


def test_avoided_nodes_are_used_again_when_there_is_no_room_without_them() -> None:
    simulation = new_simulation()
    for _ in range(2):
        simulation.wait(simulation.reconcile().requeue_after or 0)
        simulation.reconcile()
        simulation.start()
        simulation.reconcile()
        simulation.fail(1, 137)
        simulation.reconcile()
        simulation.wait(3)
        simulation.reconcile()
        simulation.terminate_deleted()
    simulation.wait(simulation.reconcile().requeue_after or 0)
    simulation.reconcile()
    assert [action.avoided_nodes for action in simulation.created] == [(), (), ("node2",)]
    simulation.environment.unschedule()
    waiting = simulation.reconcile().status.message
    assert waiting.endswith(f"; avoids node2, which failed repeatedly, until {stamp(simulation.now + timedelta(seconds=1800))}")
    simulation.wait(1799)
    assert simulation.reconcile().status.reason == "Unschedulable", "an autoscaler needs longer than a minute"
    simulation.wait(1)
    decided = simulation.reconcile()
    assert decided.status.reason == "AvoidedNodesNeeded"
    assert decided.status.message.endswith("no node was found for 1800 s: node2 is no longer avoided, of node2")
    simulation.terminate_deleted()
    simulation.reconcile()
    assert [action.avoided_nodes for action in simulation.created] == [(), (), ("node2",), ()]
    assert simulation.training.status.node_faults == ()


def test_a_slice_of_several_hosts_avoids_the_pool_of_a_faulty_node_never_the_node_alone() -> None:
    v5p = {"type": "tpu", "tpu": {"family": "v5p", "topology": "2x2x2"}}
    once = NodeFault(node="node2", node_pool="pool-a", at="2026-01-01T11:00:00Z")
    for pools, avoided in (({"node2": "pool-a"}, ("pool-a",)), ({}, ())):
        before = status(running()).model_copy(update={"node_faults": (once,) if pools else (once.model_copy(update={"node_pool": None}),)})
        broken = replace(seen(job(), pod(0), pod(1, state=PodState.FAILED, exit_code=137)), node_pools=pools)
        ending = plan(training(before, accelerator=v5p), broken, NOW)
        after = plan(training(ending.status, accelerator=v5p), seen(job()), later(5))
        newest = after.status.stages[0].recent_attempts[0]
        assert (newest.number, newest.avoided_nodes, newest.avoided_node_pools) == (2, (), avoided)
        assert [action.avoided_node_pools for action in created(after)] == [avoided]
        if avoided:
            assert any("avoiding node pool pool-a" in event.message for event in after.events)


def test_a_creation_that_was_refused_keeps_its_reason_until_one_succeeds() -> None:
    simulation = new_simulation()
    decided = simulation.reconcile(crash_before_actions=True)
    refused = decided.status.model_copy(update={"reason": "CreateFailed", "message": "jobs.batch is forbidden: exceeded quota: few"})
    simulation.state.write_status(refused)
    again = simulation.plan()
    assert (again.status.reason, again.status.message) == ("CreateFailed", refused.message)
    simulation.reconcile()
    assert simulation.reconcile().status.reason != "CreateFailed"


def test_a_failed_creation_is_planned_again_and_its_status_is_written_once() -> None:
    simulation = new_simulation()
    simulation.state.quota_exceeded = True
    simulation.reconcile()
    status = simulation.training.status
    assert (status.phase, status.reason, status.attempt) == (Phase.STARTING, "CreateFailed", 1)
    assert status.message.startswith("create attempt 1 of stage 1: ")
    (progressing,) = (condition for condition in status.conditions if condition.type == "Progressing")
    assert (progressing.status, progressing.reason, progressing.message) == ("False", "CreateFailed", status.message)
    version = simulation.training.metadata.resource_version
    simulation.reconcile()
    assert simulation.training.metadata.resource_version == version, "the same failure changes nothing"
    simulation.state.quota_exceeded = False
    simulation.reconcile()
    assert simulation.reconcile().status.reason == "Unschedulable"


SLICES = {"accelerator": {"type": "tpu", "tpu": {"family": "v6e", "topology": "2x2", "slices": 2}}}


def test_a_refused_slice_leaves_no_pod_and_the_attempt_starts_once_it_is_admitted() -> None:
    simulation = new_simulation(**SLICES)
    simulation.state.quota_exceeded = True
    for _ in range(3):
        assert simulation.reconcile().status.reason in ("Creating", "CreateFailed")
        assert (len(simulation.jobs), simulation.pods) == (1, {})
    simulation.state.quota_exceeded = False
    simulation.reconcile()
    assert simulation.reconcile().status.reason == "Unschedulable"
    assert len(simulation.pods) == 2


def test_slices_whose_release_was_interrupted_are_released_by_the_next_pass() -> None:
    simulation = new_simulation(**SLICES)
    simulation.state.releases_left = 1
    simulation.reconcile()
    assert len(simulation.pods) == 1
    attempt = simulation.reconcile().status.stages[0].recent_attempts[0]
    assert attempt.state == AttemptState.CREATING
    simulation.state.releases_left = None
    simulation.reconcile()
    assert (len(simulation.pods), {job.held for job in simulation.jobs.values()}) == (2, {False})


def test_slices_that_are_held_when_the_training_is_suspended_are_deleted() -> None:
    simulation = new_simulation(**SLICES)
    simulation.state.quota_exceeded = True
    simulation.reconcile()
    simulation.edit(suspend=True)
    simulation.reconcile()
    assert simulation.reconcile().status.phase == Phase.SUSPENDED
    assert simulation.jobs == {}


def test_only_the_failed_creation_of_the_current_attempt_counts() -> None:
    action = CreateAttempt(stage=1, attempt=1, start=Start(), template="t")
    for refused, reason in (
        (action, "CreateFailed"),
        (replace(action, attempt=2), "Creating"),
        (replace(action, stage=2), "Creating"),
        (CreatePreparation(number=1, run=0, template="t"), "Creating"),
    ):
        observed = Observed(failed_actions=(ActionFailure(action=refused, message="exceeded quota"),))
        assert plan(training(), observed, NOW).status.reason == reason
