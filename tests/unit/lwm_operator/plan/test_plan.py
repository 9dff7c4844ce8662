from dataclasses import replace
from datetime import timedelta
from typing import Any

from lwm_operator.api.status import AttemptState, FailureClass, Failures, NodeFault, Phase, StageState, Status
from lwm_operator.plan.actions import ActionFailure, CleanUp, CreateAttempt, CreatePreparation, DeleteAttempt, DeletePod, Plan
from lwm_operator.plan.observed import Observed, PodState
from lwm_operator.plan.plan import plan
from lwm_operator.plan.timestamps import stamp
from lwm_trainer.config import Rollback, Start
from simulation.builders import NOW, cause, failed, job, later, pod, running, seen, spec, stage, status, training
from simulation.simulation import Simulation

THREE = [
    stage("a"),
    stage("b", contextLength=1024, mesh={"dp": 1, "fsdp": 1, "tp": 2, "sp": 4}),
    stage("c", contextLength=4096, mesh={"dp": 1, "fsdp": 1, "tp": 1, "sp": 8}),
]


def new_simulation(**changes: Any) -> Simulation:
    return Simulation(training(**changes))


def created(decided: Plan) -> list[CreateAttempt]:
    return [action for action in decided.actions if isinstance(action, CreateAttempt)]


def begins(decided: Plan) -> tuple[int, int, Start]:
    """Stage, attempt and start of the one action, which creates an attempt."""
    (action,) = decided.actions
    assert isinstance(action, CreateAttempt)
    return action.stage, action.attempt, action.start


def through(simulation: Simulation) -> None:
    """One stage from its Job to its end, without trouble."""
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(60, commit=True)
    simulation.reconcile()
    simulation.finish()


def test_three_stages_run_in_their_order_each_from_the_one_before() -> None:
    simulation = new_simulation(stages=THREE)
    seen = []
    for _ in range(3):
        through(simulation)
        seen.append(simulation.training.status.summary.stage)
    simulation.reconcile()
    assert seen == ["1/3 a", "2/3 b", "3/3 c"]
    assert [action.start for action in simulation.created] == [
        Start(),
        Start(stage_checkpoint="gs://s1/a1/60"),
        Start(stage_checkpoint="gs://s2/a1/60"),
    ]
    status = simulation.training.status
    assert (status.phase, status.reason, status.current_stage) == (Phase.COMPLETE, "Complete", 3)
    assert [entry.final_checkpoint and entry.final_checkpoint.path for entry in status.stages] == [f"gs://s{n}/a1/60" for n in (1, 2, 3)]
    assert {c.type: c.status for c in status.conditions} == {
        "Accepted": "True",
        "Progressing": "False",
        "Suspended": "False",
        "Stalled": "False",
        "Complete": "True",
        "Failed": "False",
    }


def test_each_event_is_posted_once_and_in_order() -> None:
    simulation = new_simulation(stages=THREE[:2])
    reasons = []
    for _ in range(2):
        for step in (
            simulation.start,
            lambda: simulation.train(10, commit=True),
            lambda: simulation.train(10, commit=True),
            lambda: simulation.train(60, commit=True),
        ):
            reasons += [event.reason for event in simulation.reconcile().events]
            step()
        reasons += [event.reason for event in simulation.reconcile().events]
        simulation.finish()
    reasons += [event.reason for event in simulation.reconcile().events]
    one = ["StageStarted", "AttemptStarted", "CheckpointCommitted"]
    assert reasons == [*one, "StageComplete", *one, "StageComplete", "TrainingComplete"]


def test_the_stage_started_event_says_what_the_first_stage_begins_with() -> None:
    for place, words in (
        ({"uri": "gs://lwm/llama"}, "from spec.model.initFrom: gs://lwm/llama"),
        ({"pvc": {"claimName": "models"}}, "from spec.model.initFrom: claim models, folder /"),
    ):
        decided = plan(training(model={**spec()["model"], "initFrom": place}), Observed(), NOW)
        message = next(event.message for event in decided.events if event.reason == "StageStarted")
        assert message.endswith(words)


def test_the_intent_is_in_the_status_of_the_plan_that_creates() -> None:
    decided = new_simulation().plan()
    assert begins(decided) == (1, 1, Start())
    attempt = decided.status.stages[0].recent_attempts[0]
    assert (attempt.number, attempt.state, attempt.started_at) == (1, AttemptState.CREATING, "2026-01-01T12:00:00Z")
    assert (decided.status.current_stage, decided.status.attempt) == (1, 1)


def test_an_operator_that_died_after_the_intent_creates_that_very_attempt() -> None:
    simulation = new_simulation()
    simulation.reconcile(crash_before_actions=True)
    assert simulation.jobs == {}
    simulation.reconcile()
    simulation.reconcile()
    assert list(simulation.jobs) == ["bible-s1-a1"]
    assert simulation.training.status.stages[0].recent_attempts[0].state == AttemptState.STARTING


def test_a_running_attempt_shows_stage_step_loss_and_speed_in_the_status() -> None:
    simulation = new_simulation(stages=THREE)
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(12, commit=False)
    report = simulation.state.reports[(1, 1)]
    simulation.state.reports[(1, 1)] = report.model_copy(update={"tokens_per_second": 4210.0, "step_seconds": 1.0})
    status = simulation.plan().status
    assert (status.phase, status.reason) == (Phase.RUNNING, "Training")
    assert status.message == "stage 1/3 a: step 12/60, loss 4.8800, 4.2k tokens/s"
    summary = status.summary
    assert (summary.stage, summary.step, summary.loss, summary.tokens_per_second, summary.hosts, summary.eta) == (
        "1/3 a",
        "12/60",
        "4.8800",
        "4.2k",
        "2/2",
        "50s",
    )


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


def test_a_finished_training_is_cleaned_up_once_and_not_run_again() -> None:
    simulation = new_simulation(ttlSecondsAfterFinished=60)
    through(simulation)
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.actions, decided.requeue_after) == (Phase.COMPLETE, (), 60)
    simulation.wait(60)
    assert [type(action) for action in simulation.reconcile().actions] == [CleanUp]
    decided = simulation.reconcile()
    assert (decided.actions, decided.status.phase, simulation.jobs) == ((), Phase.COMPLETE, {})


def test_an_invalid_spec_gets_no_pod() -> None:
    decided = new_simulation(stages=[stage(mesh={"dp": 3})]).plan()
    assert decided.actions == ()
    accepted = decided.status.conditions[0]
    assert (accepted.type, accepted.status) == ("Accepted", "False")
    assert "spec.stages[ctx512].mesh" in accepted.message
    assert (decided.status.phase, decided.status.reason) == (Phase.PENDING, "InvalidSpec")
    assert [event.reason for event in decided.events] == ["InvalidSpec"]


def test_an_invalid_edit_does_not_disturb_the_running_attempt() -> None:
    simulation = new_simulation(stages=THREE)
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(5, commit=False)
    bad = training(simulation.training.status, generation=2, stages=[THREE[0], stage("b", mesh={"dp": 3})])
    decided = plan(bad, simulation.observed(), NOW)
    assert (decided.status.phase, decided.actions) == (Phase.RUNNING, ())
    assert decided.status.conditions[0].status == "False"


def test_after_an_upgrade_that_drops_fields_the_attempt_runs_on_and_no_further_one_begins_before_the_training_is_applied_again() -> None:
    simulation = new_simulation(stages=THREE)
    simulation.reconcile()
    simulation.start()
    simulation.train(10, commit=True)
    simulation.state.rename_fields()
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.actions) == (Phase.RUNNING, ())
    assert [event.reason for event in decided.events if event.type == "Warning"] == ["InvalidSpec"]
    simulation.train(50, commit=True)
    simulation.finish()
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.PENDING, "InvalidSpec", ())
    assert decided.status.stages[0].state == StageState.COMPLETE
    assert "spec.checkpoint.everySteps (now saveIntervalSteps)" in decided.status.message
    simulation.state.apply_again()
    assert begins(simulation.reconcile()) == (2, 1, Start(stage_checkpoint="gs://s1/a1/60"))


def test_a_waiting_pod_gives_the_reason() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    status = simulation.reconcile().status
    assert (status.phase, status.reason) == (Phase.STARTING, "Unschedulable")
    assert "0/3 nodes are available" in status.message


def test_a_lost_status_is_rebuilt_from_the_children() -> None:
    simulation = new_simulation(stages=THREE)
    through(simulation)
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.state.lose_status()
    before = len(simulation.created)
    simulation.reconcile()
    status = simulation.training.status
    assert (status.current_stage, status.attempt, len(simulation.created)) == (2, 1, before)
    assert status.stages[0].final_checkpoint is not None


def test_only_the_last_two_failed_jobs_stay() -> None:
    simulation = new_simulation()
    for _ in range(5):
        decided = simulation.reconcile()
        while simulation.state.newest_job is None or (simulation.training.status.phase == Phase.RECOVERING and decided.requeue_after):
            simulation.wait(decided.requeue_after or 0)
            decided = simulation.reconcile()
        simulation.start()
        simulation.reconcile()
        simulation.train(1, commit=True)
        simulation.reconcile()
        simulation.fail(0, 70)
        simulation.fail(1, 79)
        simulation.reconcile()
    last = simulation.reconcile()
    assert sorted(simulation.jobs) == [f"bible-s1-a{number}" for number in (4, 5, 6)]
    assert not [action for action in last.actions if isinstance(action, DeleteAttempt)]


def test_a_zombie_pod_that_returns_is_deleted() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    simulation.reconcile()
    simulation.train(10, commit=True)
    simulation.environment.lose_node(1)
    simulation.fail(0, 79)
    simulation.reconcile()
    simulation.reconcile()
    assert simulation.training.status.attempt == 2
    simulation.state.lost_nodes.clear()
    zombie = simulation.pods["bible-s1-a1-1"]
    simulation.pods[zombie.name] = zombie.__class__(**{**{name: getattr(zombie, name) for name in zombie.__slots__}, "deleting": False})
    assert [action.name for action in simulation.plan().actions if hasattr(action, "name")] == ["bible-s1-a1-1"]


def test_a_training_that_is_being_deleted_is_left_alone() -> None:
    leaving = training()
    metadata = leaving.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T12:00:00Z"})
    decided = plan(leaving.model_copy(update={"metadata": metadata}), Simulation(leaving).observed(), NOW)
    assert (decided.actions, decided.status) == ((), Status())


def test_a_stage_added_after_the_end_is_run() -> None:
    simulation = new_simulation(stages=THREE[:1])
    through(simulation)
    simulation.reconcile()
    assert simulation.training.status.phase == Phase.COMPLETE
    longer = training(simulation.training.status, generation=2, stages=THREE[:2])
    assert begins(plan(longer, simulation.observed(), NOW)) == (2, 1, Start(stage_checkpoint="gs://s1/a1/60"))


def test_a_node_that_is_not_ready_is_named_while_its_pod_still_trains() -> None:
    simulation = new_simulation()
    simulation.reconcile()
    simulation.start()
    simulation.train(10, commit=True)
    node = str(simulation.state.newest_pods[1].node)
    simulation.state.lost_nodes.add(node)
    decided = simulation.reconcile()
    assert (decided.status.phase, decided.actions) == (Phase.RUNNING, ())
    assert decided.status.message.endswith(f"; node {node} is not ready")
