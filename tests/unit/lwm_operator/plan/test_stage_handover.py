from lwm_operator.api.stage_status import FinalCheckpoint, StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.run_config import run_config
from lwm_operator.plan.actions import CreateAttempt
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.plan import plan
from lwm_operator.plan.stage_handover import start_of
from lwm_trainer.config import Rollback, Start
from simulation.builders import NOW, later, running, spec, stage, status, training

CHECKPOINT = FinalCheckpoint(path="gs://lwm/runs/s1/a1/60", step=60, state_hash="s", record_hash="r")
ENTRIES = (StageStatus(name="a", final_checkpoint=CHECKPOINT), StageStatus(name="b"))
PLAIN = training(stages=[stage("a"), stage("b")]).spec


def test_an_attempt_starts_from_its_own_stage_first() -> None:
    assert start_of(PLAIN, ENTRIES, 1, 3).earlier_attempts == (2, 1)
    assert start_of(PLAIN, ENTRIES, 0, 1).stage_checkpoint is None


def test_a_later_stage_starts_from_the_final_checkpoint_of_the_stage_before() -> None:
    assert start_of(PLAIN, ENTRIES, 1, 1) == Start(stage_checkpoint=CHECKPOINT.path)


def test_all_rollbacks_of_the_stage_are_handed_over() -> None:
    rollbacks = (Rollback(attempt=2, step=20, skip_batches=18),)
    assert start_of(PLAIN, (StageStatus(name="a", rollbacks=rollbacks),), 0, 2).rollbacks == rollbacks


def test_only_the_first_stage_starts_from_what_the_spec_names() -> None:
    named = training(model=spec()["model"] | {"initFrom": {"uri": "gs://lwm/llama/"}}, stages=[stage("a"), stage("b")]).spec
    assert start_of(named, ENTRIES, 0, 3) == Start(earlier_attempts=(2, 1), stage_checkpoint="gs://lwm/llama")
    assert start_of(named, ENTRIES, 1, 1).stage_checkpoint == CHECKPOINT.path


def test_what_is_known_of_the_run_is_handed_over() -> None:
    continued = training(checkpoint={"uri": "gs://lwm/runs", "continueRun": "gs://lwm/old/default/bible-aaaaaaaa"}).spec
    start = start_of(continued, (StageStatus(name="a", committed_step=30),), 0, 2)
    assert (start.committed_step, start.predecessor) == (30, "gs://lwm/old/default/bible-aaaaaaaa")


def test_a_complete_stage_without_a_known_checkpoint_stops_the_next_one() -> None:
    ours = training(stages=[stage("a"), stage("b")])
    entries = (StageStatus(name="a", state=StageState.COMPLETE, attempts=1), StageStatus(name="b"))
    decided = plan(ours.model_copy(update={"status": Status(stages=entries, current_stage=1)}), Observed(), NOW)
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.PENDING, "CheckpointUnknown", ())
    assert "stage a is complete, but status.stages[0].finalCheckpoint is missing" in decided.status.message
    assert "continueRun gs://lwm/runs/default/bible-1a2b3c4d" in decided.status.message


def test_a_training_that_is_restored_under_another_uid_continues_its_run() -> None:
    entry = status(running(1, step=33, committed_step=30), step=33, committed_step=30)
    known = entry.model_copy(update={"run_root": "gs://lwm/runs/default/bible-aaaaaaaa"})
    ended = plan(training(known), Observed(), NOW)
    decided = plan(training(ended.status), Observed(), later(60))
    (action,) = decided.actions
    assert isinstance(action, CreateAttempt)
    attempt = AttemptSpec(training=training(decided.status), stage=1, attempt=2, start=action.start, image="i", template="t")
    assert run_config(attempt).stage_folder == "gs://lwm/runs/default/bible-aaaaaaaa/s1-ctx512"
    assert (action.start.earlier_attempts, action.start.committed_step) == ((1,), 30)
    (started,) = (event for event in (*ended.events, *decided.events) if event.reason == "AttemptStarted")
    assert started.message.endswith("continuing the run of an earlier object below gs://lwm/runs/default/bible-aaaaaaaa")


def test_parameters_on_a_claim_are_read_from_their_mount() -> None:
    claim = {"initFrom": {"pvc": {"claimName": "models", "subPath": "llama"}}}
    assert start_of(training(model=spec()["model"] | claim).spec, (StageStatus(name="a"),), 0, 1).stage_checkpoint == "/lwm/init"
