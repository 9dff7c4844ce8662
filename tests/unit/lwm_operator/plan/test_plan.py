from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.stage_status import StageState
from lwm_operator.api.status import Phase, Status
from lwm_operator.plan.actions import CleanUp, DeleteAttempt
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Start
from simulation.builders import NOW, spec, stage, training
from simulation.simulation import Simulation
from unit.lwm_operator.plan.simulated_stages import THREE, begins, new_simulation, through


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
