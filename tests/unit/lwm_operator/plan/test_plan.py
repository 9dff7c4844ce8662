from dataclasses import replace
from typing import Any

from lwm_operator.api.status import AttemptState, Failures, Phase, Status
from lwm_operator.plan.actions import ActionFailure, CleanUp, CreateAttempt, CreatePreparation, DeleteAttempt, DeletePod, Plan
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Rollback, Start
from simulation.builders import NOW, spec, stage, training
from simulation.simulation import Simulation

THREE = [
    stage("a"),
    stage("b", contextLength=1024, mesh={"dp": 1, "fsdp": 1, "tp": 2, "sp": 4}),
    stage("c", contextLength=4096, mesh={"dp": 1, "fsdp": 1, "tp": 1, "sp": 8}),
]


def world(**changes: Any) -> Simulation:
    return Simulation(training(**changes))


def created(decided: Plan) -> list[CreateAttempt]:
    return [action for action in decided.actions if isinstance(action, CreateAttempt)]


def begins(decided: Plan) -> tuple[int, int, Start]:
    """Stage, attempt and start of the one action, which creates an attempt."""
    (action,) = decided.actions
    assert isinstance(action, CreateAttempt)
    return action.stage, action.attempt, action.start


def through(world: Simulation) -> None:
    """One stage from its Job to its end, without trouble."""
    world.reconcile()
    world.start()
    world.reconcile()
    world.train(60, commit=True)
    world.reconcile()
    world.finish()


def test_three_stages_run_in_their_order_each_from_the_one_before() -> None:
    here = world(stages=THREE)
    seen = []
    for _ in range(3):
        through(here)
        seen.append(here.training.status.summary.stage)
    here.reconcile()
    assert seen == ["1/3 a", "2/3 b", "3/3 c"]
    assert [action.start for action in here.created] == [
        Start(),
        Start(stage_checkpoint="gs://s1/a1/60"),
        Start(stage_checkpoint="gs://s2/a1/60"),
    ]
    status = here.training.status
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


def test_the_story_is_told_once_and_in_order() -> None:
    here = world(stages=THREE[:2])
    told = []
    for _ in range(2):
        for step in (
            here.start,
            lambda: here.train(10, commit=True),
            lambda: here.train(10, commit=True),
            lambda: here.train(60, commit=True),
        ):
            told += [event.reason for event in here.reconcile().events]
            step()
        told += [event.reason for event in here.reconcile().events]
        here.finish()
    told += [event.reason for event in here.reconcile().events]
    one = ["StageStarted", "AttemptStarted", "CheckpointCommitted"]
    assert told == [*one, "StageComplete", *one, "StageComplete", "TrainingComplete"]


def test_the_story_says_what_the_first_stage_begins_with() -> None:
    for place, words in (
        ({"uri": "gs://lwm/llama"}, "from spec.model.initFrom: gs://lwm/llama"),
        ({"pvc": {"claimName": "models"}}, "from spec.model.initFrom: claim models, folder /"),
    ):
        decided = plan(training(model={**spec()["model"], "initFrom": place}), Observed(), NOW)
        said = next(event.message for event in decided.events if event.reason == "StageStarted")
        assert said.endswith(words)


def test_the_intent_is_in_the_status_of_the_plan_that_creates() -> None:
    decided = world().plan()
    assert begins(decided) == (1, 1, Start())
    attempt = decided.status.stages[0].recent_attempts[0]
    assert (attempt.number, attempt.state, attempt.started_at) == (1, AttemptState.CREATING, "2026-01-01T12:00:00Z")
    assert (decided.status.current_stage, decided.status.attempt) == (1, 1)


def test_an_operator_that_died_after_the_intent_creates_that_very_attempt() -> None:
    here = world()
    here.reconcile(crash_before_actions=True)
    assert here.jobs == {}
    here.reconcile()
    here.reconcile()
    assert list(here.jobs) == ["bible-s1-a1"]
    assert here.training.status.stages[0].recent_attempts[0].state == AttemptState.STARTING


def test_while_it_runs_the_status_tells_stage_step_loss_and_speed() -> None:
    here = world(stages=THREE)
    here.reconcile()
    here.start()
    here.reconcile()
    here.train(12, commit=False)
    here.state.reports[(1, 1)] = here.state.reports[(1, 1)].model_copy(update={"tokens_per_second": 4210.0, "step_seconds": 1.0})
    status = here.plan().status
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


def test_a_lost_host_brings_the_next_attempt_from_all_earlier_ones() -> None:
    here = world(stages=THREE)
    through(here)
    for _ in range(2):
        here.reconcile()
        here.start()
        here.train(10, commit=True)
        here.reconcile()
        here.fail(1, 137)
        assert here.reconcile().status.phase == Phase.RECOVERING
        here.wait(11)
        here.reconcile()
        here.terminate_deleted()
        here.reconcile()
    again = here.created[-1]
    assert (again.stage, again.attempt, again.start) == (2, 3, Start(earlier_attempts=(2, 1), stage_checkpoint="gs://s1/a1/60"))
    assert again.avoided_nodes == ("node2",), "it was the root cause twice"
    stage = here.training.status.stages[1]
    assert (stage.attempts, stage.restarts) == (3, 2)
    assert [attempt.root_cause and attempt.root_cause.reason for attempt in stage.recent_attempts] == [None, "Killed", "Killed"]


def test_a_failure_without_progress_backs_off_and_says_until_when() -> None:
    here = world()
    here.reconcile()
    here.start()
    here.reconcile()
    here.fail(0, 70)
    here.fail(1, 79)
    decided = here.reconcile()
    assert (decided.status.phase, decided.status.reason) == (Phase.RECOVERING, "BackingOff")
    assert decided.status.message.startswith("stage 1/1 ctx512: attempt 2 at 2026-01-01T12:00:")
    assert "Uncaught: host 0" in decided.status.message
    assert decided.actions == ()
    assert decided.requeue_after is not None
    here.wait(decided.requeue_after)
    assert begins(here.reconcile()) == (1, 2, Start(earlier_attempts=(1,)))


def test_a_permanent_code_fails_the_training_until_resume_is_raised() -> None:
    here = world()
    here.reconcile()
    here.start()
    here.reconcile()
    here.fail(0, 65)
    here.fail(1, 79)
    decided = here.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.FAILED, "BadData", ())
    assert [event.reason for event in decided.events] == ["AttemptFailed", "TrainingFailed"]
    assert "fix it, then set spec.resume to 1" in decided.status.message
    here.wait(3600)
    here.edit()
    assert here.reconcile().actions == (), "an edit alone is no word to go on"
    here.edit(resume=1)
    decided = here.reconcile()
    assert [(action.attempt, action.start) for action in created(decided)] == [(2, Start(earlier_attempts=(1,)))]
    assert (decided.status.phase, decided.status.observed_resume) == (Phase.RECOVERING, 1)
    assert created(here.reconcile()) == []


def test_failures_without_progress_end_in_paused_and_resume_gives_fresh_budgets() -> None:
    here = world(failurePolicy={"budgets": {"app": 1}})
    for _ in range(2):
        decided = here.reconcile()
        here.wait(decided.requeue_after or 0)
        here.reconcile()
        here.start()
        here.fail(0, 70)
        here.fail(1, 79)
        decided = here.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.requeue_after) == (Phase.PAUSED, "Uncaught", None)
    stalled = {condition.type: condition.status for condition in decided.status.conditions}["Stalled"]
    assert stalled == "True"
    assert "2 failures of class App without a new commit, failurePolicy.budgets.app is 1" in decided.status.message
    assert [event.reason for event in decided.events] == ["AttemptFailed", "TrainingPaused"]
    here.edit(resume=1)
    here.reconcile()
    here.start()
    here.fail(0, 70)
    here.fail(1, 79)
    assert here.reconcile().status.phase == Phase.RECOVERING


def test_suspend_saves_and_leaves_and_resuming_goes_on_at_once_with_nothing_charged() -> None:
    here = world()
    here.reconcile()
    here.start()
    here.train(10, commit=True)
    here.reconcile()
    here.edit(suspend=True)
    decided = here.reconcile()
    assert (decided.status.phase, decided.status.reason) == (Phase.SUSPENDED, "Suspending")
    assert [action.grace_seconds for action in decided.actions if isinstance(action, DeletePod)] == [None, None]
    here.terminate_deleted()
    decided = here.reconcile()
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.SUSPENDED, "Suspended", ())
    assert {condition.type: condition.status for condition in decided.status.conditions}["Suspended"] == "True"
    here.wait(86400)
    assert here.reconcile().actions == ()
    here.edit(suspend=False)
    decided = here.reconcile()
    assert [(action.attempt, action.start) for action in created(decided)] == [(2, Start(earlier_attempts=(1,)))]
    stage = decided.status.stages[0]
    assert (stage.failures, stage.budgets_used.infra) == (Failures(), 0)


def test_a_training_that_begins_suspended_makes_nothing() -> None:
    decided = world(suspend=True).reconcile()
    assert (decided.actions, decided.status.phase, decided.status.current_stage) == ((), Phase.SUSPENDED, None)


def test_a_divergence_goes_back_past_the_newest_commit_on_a_line_of_its_own() -> None:
    here = world()
    here.reconcile()
    here.start()
    for _ in range(3):
        here.train(10, commit=True)
    here.train(7, commit=False)
    here.reconcile()
    for host in (0, 1):
        here.fail(host, 80)
    decided = here.reconcile()
    assert created(decided)[0].start == Start(earlier_attempts=(1,), rollbacks=(Rollback(attempt=2, step=20, skip_batches=18),))
    started = next(event for event in decided.events if event.reason == "AttemptStarted")
    assert "rolled back to step 20, 18 batches skipped" in started.message


def test_nodes_are_avoided_no_longer_when_there_is_no_room_without_them() -> None:
    here = world()
    for _ in range(2):
        here.wait(here.reconcile().requeue_after or 0)
        here.reconcile()
        here.start()
        here.reconcile()
        here.fail(1, 137)
        here.reconcile()
        here.wait(3)
        here.reconcile()
        here.terminate_deleted()
    here.wait(here.reconcile().requeue_after or 0)
    here.reconcile()
    assert [action.avoided_nodes for action in here.created] == [(), (), ("node2",)]
    here.environment.unschedule()
    here.reconcile()
    here.wait(61)
    assert here.reconcile().status.reason == "NoRoomWithoutAvoided"
    here.terminate_deleted()
    here.reconcile()
    assert [action.avoided_nodes for action in here.created] == [(), (), ("node2",), ()]
    assert here.training.status.node_faults == ()


def test_a_creation_that_was_refused_keeps_its_reason_until_one_succeeds() -> None:
    here = world()
    decided = here.reconcile(crash_before_actions=True)
    refused = decided.status.model_copy(update={"reason": "CreateFailed", "message": "jobs.batch is forbidden: exceeded quota: few"})
    here.state.write_status(refused)
    again = here.plan()
    assert (again.status.reason, again.status.message) == ("CreateFailed", refused.message)
    here.reconcile()
    assert here.reconcile().status.reason != "CreateFailed"


def test_a_failed_creation_is_planned_again_and_its_status_is_written_once() -> None:
    here = world()
    here.state.quota_exceeded = True
    here.reconcile()
    status = here.training.status
    assert (status.phase, status.reason, status.attempt) == (Phase.STARTING, "CreateFailed", 1)
    assert status.message.startswith("create attempt 1 of stage 1: ")
    (progressing,) = (condition for condition in status.conditions if condition.type == "Progressing")
    assert (progressing.status, progressing.reason, progressing.message) == ("False", "CreateFailed", status.message)
    version = here.training.metadata.resource_version
    here.reconcile()
    assert here.training.metadata.resource_version == version, "the same failure changes nothing"
    here.state.quota_exceeded = False
    here.reconcile()
    assert here.reconcile().status.reason == "Unschedulable"


def test_only_the_failed_creation_of_the_current_attempt_counts() -> None:
    action = CreateAttempt(stage=1, attempt=1, start=Start(), template="t")
    for failed, reason in (
        (action, "CreateFailed"),
        (replace(action, attempt=2), "Creating"),
        (replace(action, stage=2), "Creating"),
        (CreatePreparation(number=1, run=0, template="t"), "Creating"),
    ):
        observed = Observed(failed_action=ActionFailure(action=failed, message="exceeded quota"))
        assert plan(training(), observed, NOW).status.reason == reason


def test_a_finished_training_is_cleaned_up_once_and_not_run_again() -> None:
    here = world(ttlSecondsAfterFinished=60)
    through(here)
    decided = here.reconcile()
    assert (decided.status.phase, decided.actions, decided.requeue_after) == (Phase.COMPLETE, (), 60)
    here.wait(60)
    assert [type(action) for action in here.reconcile().actions] == [CleanUp]
    decided = here.reconcile()
    assert (decided.actions, decided.status.phase, here.jobs) == ((), Phase.COMPLETE, {})


def test_a_spec_that_makes_no_sense_gets_no_pod() -> None:
    decided = world(stages=[stage(mesh={"dp": 3})]).plan()
    assert decided.actions == ()
    accepted = decided.status.conditions[0]
    assert (accepted.type, accepted.status) == ("Accepted", "False")
    assert "spec.stages[ctx512].mesh" in accepted.message
    assert (decided.status.phase, decided.status.reason) == (Phase.PENDING, "Refused")
    assert [event.reason for event in decided.events] == ["Refused"]


def test_an_edit_that_makes_no_sense_leaves_the_running_attempt_alone() -> None:
    here = world(stages=THREE)
    here.reconcile()
    here.start()
    here.reconcile()
    here.train(5, commit=False)
    bad = training(here.training.status, generation=2, stages=[THREE[0], stage("b", mesh={"dp": 3})])
    decided = plan(bad, here.observed(), NOW)
    assert (decided.status.phase, decided.actions) == (Phase.RUNNING, ())
    assert decided.status.conditions[0].status == "False"


def test_a_waiting_pod_gives_the_reason() -> None:
    here = world()
    here.reconcile()
    status = here.reconcile().status
    assert (status.phase, status.reason) == (Phase.STARTING, "Unschedulable")
    assert "0/3 nodes are available" in status.message


def test_a_lost_status_is_rebuilt_from_the_children() -> None:
    here = world(stages=THREE)
    through(here)
    here.reconcile()
    here.start()
    here.reconcile()
    here.state.lose_status()
    before = len(here.created)
    here.reconcile()
    status = here.training.status
    assert (status.current_stage, status.attempt, len(here.created)) == (2, 1, before)
    assert status.stages[0].final_checkpoint is not None


def test_only_the_last_two_failed_jobs_stay() -> None:
    here = world()
    for _ in range(5):
        decided = here.reconcile()
        while here.state.newest_job is None or (here.training.status.phase == Phase.RECOVERING and decided.requeue_after):
            here.wait(decided.requeue_after or 0)
            decided = here.reconcile()
        here.start()
        here.reconcile()
        here.train(1, commit=True)
        here.reconcile()
        here.fail(0, 70)
        here.fail(1, 79)
        here.reconcile()
    last = here.reconcile()
    assert sorted(here.jobs) == [f"bible-s1-a{number}" for number in (4, 5, 6)]
    assert not [action for action in last.actions if isinstance(action, DeleteAttempt)]


def test_a_zombie_that_comes_back_is_deleted() -> None:
    here = world()
    here.reconcile()
    here.start()
    here.reconcile()
    here.train(10, commit=True)
    here.environment.lose_node(1)
    here.fail(0, 79)
    here.reconcile()
    here.reconcile()
    assert here.training.status.attempt == 2
    here.state.lost_nodes.clear()
    zombie = here.pods["bible-s1-a1-1"]
    here.pods[zombie.name] = zombie.__class__(**{**{name: getattr(zombie, name) for name in zombie.__slots__}, "deleting": False})
    assert [action.name for action in here.plan().actions if hasattr(action, "name")] == ["bible-s1-a1-1"]


def test_a_training_that_is_being_deleted_is_left_alone() -> None:
    leaving = training()
    metadata = leaving.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T12:00:00Z"})
    decided = plan(leaving.model_copy(update={"metadata": metadata}), Simulation(leaving).observed(), NOW)
    assert (decided.actions, decided.status) == ((), Status())


def test_a_stage_added_after_the_end_is_run() -> None:
    here = world(stages=THREE[:1])
    through(here)
    here.reconcile()
    assert here.training.status.phase == Phase.COMPLETE
    longer = training(here.training.status, generation=2, stages=THREE[:2])
    assert begins(plan(longer, here.observed(), NOW)) == (2, 1, Start(stage_checkpoint="gs://s1/a1/60"))


def test_a_node_that_is_not_ready_is_named_also_while_its_pod_trains_on() -> None:
    here = world()
    here.reconcile()
    here.start()
    here.train(10, commit=True)
    node = str(here.state.newest_pods[1].node)
    here.state.lost_nodes.add(node)
    decided = here.reconcile()
    assert (decided.status.phase, decided.actions) == (Phase.RUNNING, ())
    assert decided.status.message.endswith(f"; node {node} is not ready")
