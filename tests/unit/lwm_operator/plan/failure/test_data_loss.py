"""A prepared data set that an attempt does not find is prepared again, charged to budget `infra`, and not for ever."""

from typing import Any

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass
from lwm_operator.api.dataset_status import DatasetState, DatasetStatus
from lwm_operator.api.stage_status import StageState
from lwm_operator.api.status import Phase, Status
from lwm_operator.plan.actions import CreateAttempt, CreatePreparation, DeletePreparation, Plan
from lwm_operator.plan.failure.data_loss import count_data_losses, is_data_loss
from lwm_operator.plan.observed import Observed, PodState, PodView, PreparationView
from lwm_operator.plan.plan import plan
from lwm_trainer.config import Prepared, TerminationMessage
from simulation.builders import cause, failed, job, later, pod, running, seen, status, training

FOLDER = "gs://lwm/runs/datasets/0123456789abcdef"
SETS = [{"name": "books", "source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 1}}]
LOSS = cause(FailureClass.INFRA, "DataMissing", message=f"host 0: {FOLDER}: the token store is missing", exit_code=65)
KILLED = cause(FailureClass.INFRA, "Killed")


def missing(place: str = FOLDER, number: int = 1) -> PodView:
    message = TerminationMessage(code=65, reason="DataMissing", message=f"{place}: the token store is missing or incomplete")
    return pod(0, attempt=number, state=PodState.FAILED, exit_code=65, reason="Error", termination_message=message)


def before(*attempts: Attempt, infra: int = 0, run: int = 0) -> Status:
    """The status with these attempts, newest first, and `infra` charges to that budget."""
    entry = DatasetStatus(name="books", state=DatasetState.READY, path=FOLDER, run=run)
    known = status(*attempts)
    (stage,) = known.stages
    stage = stage.model_copy(update={"budgets_used": stage.budgets_used.model_copy(update={"infra": infra})})
    return known.model_copy(update={"stages": (stage,), "datasets": (entry,)})


def prepared(run: int, *, complete: bool) -> PreparationView:
    done = worker = pod(0, stage=0, attempt=0, state=PodState.RUNNING)
    if complete:
        message = TerminationMessage(code=0, reason="Complete", prepared=Prepared(uri=FOLDER, documents=10, tokens=2000, skipped=0))
        done = pod(0, stage=0, attempt=0, state=PodState.SUCCEEDED, exit_code=0, termination_message=message)
    view = job(stage=0, attempt=0, name=f"bible-d1-r{run}", uid=f"uid-{run}")
    return PreparationView(dataset="books", run=run, job=view, workers=1, complete=complete, pods=(done if complete else worker,))


def decide(known: Status, observed: Observed, seconds: float = 0, **changes: Any) -> Plan:
    return plan(training(known, datasets=SETS, **changes), observed, later(seconds))


def look(*pods: PodView, number: int = 1, preparations: tuple[PreparationView, ...] = ()) -> Observed:
    observed = seen(job(attempt=number), *pods)
    return Observed(jobs=observed.jobs, pods=observed.pods, preparations=preparations)


def test_it_is_prepared_again_by_a_new_job_and_the_training_goes_on() -> None:
    lost = decide(before(running()), look(missing(), preparations=(prepared(0, complete=True),)))
    assert [action.run for action in lost.actions if isinstance(action, CreatePreparation)] == [1]
    assert [action.name for action in lost.actions if isinstance(action, DeletePreparation)] == ["bible-d1-r0"]
    (stage,), (entry,) = lost.status.stages, lost.status.datasets
    assert (entry.state, entry.run, entry.path) == (DatasetState.PENDING, 1, None)
    assert stage.recent_attempts[0].state == AttemptState.FAILED
    assert is_data_loss(stage.recent_attempts[0].root_cause)
    assert (stage.failures.infra, stage.budgets_used.infra, lost.status.node_faults) == (1, 1, ())
    assert (lost.status.phase, lost.status.reason) == (Phase.RECOVERING, "Preparing")
    assert "prepared again after attempt 1: DataMissing: host 0" in lost.status.message
    waits = decide(lost.status, look(missing(), preparations=(prepared(1, complete=False),)), 10)
    assert waits.actions == ()
    goes_on = decide(waits.status, look(missing(), preparations=(prepared(1, complete=True),)), 60)
    assert [action.prepared for action in goes_on.actions if isinstance(action, CreateAttempt)] == [(("books", FOLDER),)]
    assert [entry.state for entry in goes_on.status.datasets] == [DatasetState.READY]


def test_data_that_is_missing_elsewhere_fails_the_training_at_once() -> None:
    decided = decide(before(running()), look(missing("gs://lwm/tokenizer")))
    assert (decided.status.phase, decided.status.stages[0].state) == (Phase.FAILED, StageState.FAILED)
    assert decided.status.datasets[0].state == DatasetState.READY


def test_the_third_loss_without_a_checkpoint_fails_the_training_until_resume() -> None:
    known = before(running(3), failed(2, why=LOSS), failed(1, why=LOSS), infra=2, run=2)
    decided = decide(known, look(missing(number=3), number=3))
    assert (decided.status.phase, decided.status.reason) == (Phase.FAILED, "DataMissing")
    assert "3 attempts without a new checkpoint did not find it, although it was prepared again: fix it" in decided.status.message
    assert "set spec.resume to 1" in decided.status.message
    assert decided.actions == ()
    resumed = decide(decided.status, look(missing(number=3), number=3), 60, resume=1)
    assert [action.run for action in resumed.actions if isinstance(action, CreatePreparation)] == [3], "a number that no Job has had"


def test_a_checkpoint_in_between_refills_what_may_be_lost() -> None:
    known = before(running(3, from_step=10, committed_step=20), failed(2, why=LOSS), failed(1, why=LOSS), infra=2)
    (stage,) = known.stages
    known = known.model_copy(update={"stages": (stage.model_copy(update={"committed_step": 20}),)})
    decided = decide(known, look(missing(number=3), number=3))
    assert decided.status.stages[0].budgets_used.infra == 1
    assert [entry.state for entry in decided.status.datasets] == [DatasetState.PENDING]


def test_only_losses_that_are_charged_now_count() -> None:
    (stage,) = before(failed(4, why=LOSS), failed(3, why=KILLED), failed(2, why=LOSS), failed(1, why=LOSS), infra=3).stages
    assert count_data_losses(stage) == 2


def test_no_budget_means_no_second_preparation() -> None:
    decided = decide(before(running()), look(missing()), failurePolicy={"budgets": {"infra": 0}})
    assert (decided.status.phase, decided.status.datasets[0].state) == (Phase.PAUSED, DatasetState.READY)
    assert "failurePolicy.budgets.infra is 0" in decided.status.message
