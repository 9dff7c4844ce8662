from lwm_operator.api.status import FinalCheckpoint, StageStatus
from lwm_operator.plan.stage_handover import start_of
from lwm_trainer.config import Rollback, Start
from simulation.builders import spec, stage, training

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


def test_parameters_on_a_claim_are_read_from_their_mount() -> None:
    claim = {"initFrom": {"pvc": {"claimName": "models", "subPath": "llama"}}}
    assert start_of(training(model=spec()["model"] | claim).spec, (StageStatus(name="a"),), 0, 1).stage_checkpoint == "/lwm/init"
