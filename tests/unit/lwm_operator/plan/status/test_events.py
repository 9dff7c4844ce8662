from lwm_operator.api.attempt_status import AttemptState, RootCause
from lwm_operator.api.status import Condition, Phase, Status
from lwm_operator.plan.status.events import new_events
from simulation.builders import cause, running, status, training

TRAINING = training()


def accepted(truth: str, message: str = "", generation: int = 1) -> Status:
    condition = Condition.model_validate(
        {"type": "Accepted", "status": truth, "reason": "X", "message": message, "lastTransitionTime": "2026-01-01T12:00:00Z"}
    )
    return Status(observed_generation=generation, conditions=(condition,))


def reasons(old: Status, new: Status) -> list[str]:
    return [event.reason for event in new_events(TRAINING, old, new)]


def ended(root_cause: RootCause) -> Status:
    return status(running(state=AttemptState.FAILED, root_cause=root_cause))


def test_what_has_not_changed_is_not_reported_again() -> None:
    for unchanged in (Status(), status(running()), ended(cause()), accepted("False", "a: b")):
        assert reasons(unchanged, unchanged) == []


def test_a_refused_spec_is_reported_once_and_a_warning_once_for_each_edit() -> None:
    assert reasons(Status(), accepted("False", "a: b")) == ["InvalidSpec"]
    assert reasons(accepted("False", "a: b"), accepted("False", "c: d", generation=2)) == []
    (event,) = new_events(TRAINING, accepted("True", "warning: a", generation=1), accepted("True", "warning: a", generation=2))
    assert (event.reason, event.message, event.type) == ("SpecWarning", "a", "Warning")


def test_a_checkpoint_that_the_storage_lost_is_reported() -> None:
    old = status(running(2), committed_step=30)
    (event,) = new_events(TRAINING, old, status(running(2, from_step=20), committed_step=20))
    assert (event.reason, event.type) == ("CheckpointLost", "Warning")
    assert event.message == "stage 1/1 ctx512: checkpoint 30 is no longer in the storage: attempt 2 continues from step 20"
    damaged = running(2, from_step=20, damaged_checkpoint="gs://r/a1/30: params/d/x is missing")
    (event,) = new_events(TRAINING, old, status(damaged, committed_step=20))
    assert "checkpoint 30 is damaged (gs://r/a1/30: params/d/x is missing): attempt 2 continues from step 20" in event.message


def test_a_failed_attempt_names_its_root_cause_and_class() -> None:
    (event,) = new_events(
        TRAINING, status(running(state=AttemptState.STOPPING)), ended(cause(reason="Killed", message="host 1: exit code 137"))
    )
    assert event.message == "attempt 1 of stage ctx512 ended at step 0: Killed (Infra): host 1: exit code 137"


def test_a_stage_that_failed_before_its_first_attempt_is_reported_again_after_resume() -> None:
    def failed(resume: int) -> Status:
        return Status(phase=Phase.FAILED, reason="DataCorrupt", message="m", observed_resume=resume)

    keys = [new_events(TRAINING, Status(), failed(resume))[0].key for resume in (0, 1)]
    assert keys == ["TrainingFailed/None/None/0", "TrainingFailed/None/None/1"]


def test_events_sort_by_stage_and_attempt() -> None:
    attempts = (running(2), running(1, AttemptState.FAILED, root_cause=cause()))
    orders = [event.order for event in new_events(TRAINING, Status(), status(*attempts))]
    assert orders == sorted(orders)
