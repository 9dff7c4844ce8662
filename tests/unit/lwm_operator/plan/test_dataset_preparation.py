"""What the plan makes of data sets that are to be prepared, look by look."""

from datetime import datetime
from typing import Any

import pytest

from lwm_operator.api.attempt_status import AttemptState, FailureClass
from lwm_operator.api.dataset_status import DatasetState, DatasetStatus
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Phase, Status
from lwm_operator.plan.actions import ActionFailure, CleanUp, CreateAttempt, CreatePreparation, DeletePod, DeletePreparation, Plan
from lwm_operator.plan.attempt.template_change import template_hash
from lwm_operator.plan.observed import Observed, PodState, PodView, PreparationView, Waiting
from lwm_operator.plan.plan import plan
from lwm_operator.plan.stage_status import complete_stage
from lwm_trainer.config import Preparation, Prepared, TerminationMessage
from simulation.builders import NOW, cause, failed, final, job, later, pod, running, stage, status, training

PLACE = "gs://lwm/runs/datasets/0123456789abcdef"
QUESTIONS = {"duplicate": 3, "kept": 812}
PREPARED = Prepared(uri=PLACE, documents=1200, tokens=3_400_000, skipped=2, questions=QUESTIONS)
HALF = Preparation(shards=8, shards_done=3, documents=10, tokens=1_200_000, bytes_per_second=35e6, eta_seconds=40)
SINCE = "2026-01-01T12:00:00Z"


def dataset(name: str = "books", workers: int | None = 2) -> dict[str, Any]:
    return {
        "name": name,
        "source": {"uri": f"gs://lwm/{name}"},
        **({"preparation": {"workers": workers}} if workers is not None else {}),
    }


def new_training(status: Status | None = None, **changes: Any) -> Any:
    return training(status, **{"datasets": [dataset()], **changes})


def worker(index: int = 0, state: PodState = PodState.RUNNING, **changes: Any) -> PodView:
    return pod(index, stage=0, attempt=0, state=state, **{"name": f"bible-d1-r0-{index}", **changes})


def preparation(*pods: PodView, name: str = "books", number: int = 1, run: int = 0, **changes: Any) -> PreparationView:
    of_job = {key: changes.pop(key) for key in ("failed", "suspended", "queue", "message", "template", "failed_indexes") if key in changes}
    view = job(stage=0, attempt=0, name=f"bible-d{number}-r{run}", uid=f"uid-{name}-{run}", since=SINCE, **of_job)
    return PreparationView(dataset=name, run=run, job=view, workers=2, pods=pods, **changes)


BOTH = (worker(0), worker(1))


def after(*views: PreparationView, status: Status | None = None, now: datetime = NOW, lost: tuple[str, ...] = (), **changes: Any) -> Plan:
    """The plan when it looks at these preparations."""
    return plan(new_training(status, **changes), Observed(preparations=views, lost_nodes=dict.fromkeys(lost, "NodeNotReady")), now)


def ready(name: str = "books") -> DatasetStatus:
    return DatasetStatus(name=name, state=DatasetState.READY, path=PLACE)


def created(decided: Plan) -> list[tuple[int, int]]:
    return [(action.number, action.run) for action in decided.actions if isinstance(action, CreatePreparation)]


def deleted(decided: Plan) -> list[str | None]:
    return [action.uid for action in decided.actions if isinstance(action, DeletePreparation)]


def begun(decided: Plan) -> list[CreateAttempt]:
    return [action for action in decided.actions if isinstance(action, CreateAttempt)]


def test_all_preparations_start_with_the_training_and_a_stage_waits_only_for_its_own() -> None:
    stages = [stage("a", mixture=[{"dataset": "books"}]), stage("b", mixture=[{"dataset": "poems"}])]
    sets = [dataset(), dataset("poems"), dataset("unused"), dataset("small", None)]
    decided = after(stages=stages, datasets=sets)
    assert created(decided) == [(1, 0), (2, 0)]
    status = decided.status
    assert (status.phase, status.reason) == (Phase.STARTING, "Preparing")
    assert status.message == "stage 1/2 a: data set books: its preparation is being created"
    assert status.current_stage is None, "no stage has begun, so all may be edited"
    assert [(each.name, each.state) for each in status.datasets] == [(name, DatasetState.PENDING) for name in ("books", "poems", "unused")]
    decided = after(preparation(*BOTH, report=replace_report(prepared=PREPARED), complete=True), stages=stages, datasets=sets)
    assert created(decided) == [(2, 0)]
    (attempt,) = begun(decided)
    assert attempt.prepared == (("books", PLACE),)


def replace_report(**changes: Any) -> Preparation:
    return HALF.model_copy(update=changes)


def test_a_stage_that_draws_on_nothing_prepared_does_not_wait() -> None:
    stages = [stage("a", mixture=[{"dataset": "small"}]), stage("b", mixture=[{"dataset": "books"}])]
    decided = after(stages=stages, datasets=[dataset(), dataset("small", None)])
    assert (len(begun(decided)), created(decided)) == (1, [(1, 0)])
    assert begun(decided)[0].prepared == ()


def test_the_next_stage_waits_for_its_own_when_the_one_before_is_complete() -> None:
    stages = [stage("a", mixture=[{"dataset": "small"}]), stage("b", mixture=[{"dataset": "books"}])]
    entry = StageStatus(name="a", attempts=1, recent_attempts=(running(1, AttemptState.COMPLETE),))
    before = Status(observed_generation=1, current_stage=1, stages=(complete_stage(entry, final(), "2026-01-01T11:30:00Z"),))
    decided = after(preparation(*BOTH, report=HALF), status=before, stages=stages, datasets=[dataset(), dataset("small", None)])
    assert (decided.status.phase, decided.status.reason, decided.actions) == (Phase.STARTING, "Preparing", ())
    assert decided.status.message == "stage 2/2 b: data set books: 3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left"


@pytest.mark.parametrize(
    ("view", "state", "reason", "message"),
    [
        (preparation(*BOTH), "Preparing", "Preparing", "its shards are being counted"),
        (preparation(*BOTH, report=HALF), "Preparing", "Preparing", "3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left"),
        (
            preparation(*BOTH, report=Preparation(shards=1, bytes_per_second=7)),
            "Preparing",
            "Preparing",
            "0 of 1 shards, 0 tokens, 7 B/s",
        ),
        (
            preparation(*BOTH, report=Preparation(shards=1, frames=90, frames_per_second=2.25, eta_seconds=40)),
            "Preparing",
            "Preparing",
            "0 of 1 shards, 0 tokens, 2.2 frames/s a worker, 40s left",
        ),
        (preparation(), "Pending", "PodsMissing", f"2 of 2 pods missing since {SINCE}"),
        (
            preparation(message='Error creating: pods "x" is forbidden: exceeded quota: none'),
            "Pending",
            "QuotaExceeded",
            f"2 of 2 pods missing since {SINCE}: exceeded quota: none",
        ),
        (
            preparation(
                *(worker(n, PodState.PENDING, waiting=Waiting(reason="ErrImagePull", message="v9: not found", since=SINCE)) for n in (0, 1))
            ),
            "Pending",
            "ImagePull",
            f"2 of 2 pods since {SINCE}: v9: not found",
        ),
        (
            preparation(
                worker(),
                worker(1, PodState.PENDING, node=None, waiting=Waiting(reason="Unschedulable", message="no room", since=SINCE)),
                report=HALF,
            ),
            "Preparing",
            "Unschedulable",
            f"1 of 2 pods since {SINCE}: no room; 3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left",
        ),
        (
            preparation(
                worker(),
                worker(
                    1,
                    PodState.FAILED,
                    exit_code=75,
                    termination_message=TerminationMessage(code=75, reason="Transient", message="the store is away"),
                ),
                report=HALF,
            ),
            "Preparing",
            "Preparing",
            "3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left; worker 1 is retried after: the store is away",
        ),
        (
            preparation(suspended=True, queue="team"),
            "Pending",
            "Queued",
            f"waits in queue team since {SINCE}: no queue has taken it up yet",
        ),
        (
            preparation(*BOTH, complete=True),
            "Failed",
            "PreparationNotReported",
            "all 2 workers exited with 0, but none reported where the data is",
        ),
    ],
)
def test_how_it_stands_is_told(view: PreparationView, state: str, reason: str, message: str) -> None:
    decided = after(view)
    (entry,) = decided.status.datasets
    assert (entry.state, entry.reason, entry.message) == (state, reason, message)
    assert decided.status.reason == reason
    assert f"data set books: {message}" in decided.status.message
    assert decided.actions == ()
    looks_again = reason not in ("Preparing", "PreparationNotReported", "Unschedulable", "ImagePull")
    assert (decided.requeue_after is not None) == looks_again


@pytest.mark.parametrize("how", ["lease", "words"])
def test_one_that_is_done_stands_in_status_with_its_place_and_its_job_stays(how: str) -> None:
    words = TerminationMessage(code=0, reason="Complete", prepared=PREPARED)
    pods = (
        worker(0, PodState.SUCCEEDED, exit_code=0, termination_message=words if how == "words" else None),
        worker(1, PodState.SUCCEEDED, exit_code=0),
    )
    report = replace_report(prepared=PREPARED if how == "lease" else None, skipped=2, first_skipped="a.jsonl, line 3: no field text")
    view = preparation(*pods, report=report, complete=True)
    decided = after(view)
    (entry,) = decided.status.datasets
    assert (entry.state, entry.path, entry.documents, entry.tokens, entry.skipped) == (DatasetState.READY, PLACE, 1200, 3_400_000, 2)
    assert (entry.shards, entry.shards_done, entry.eta_seconds) == (8, 8, None)
    assert entry.message == "1.2k documents, 3.4M tokens, 2 records skipped"
    assert entry.questions == "kept 812, duplicate 3"
    assert deleted(decided) == []
    messages = {event.reason: event.message for event in decided.events}
    assert messages["DatasetReady"] == f"data set books: 1.2k documents, 3.4M tokens, {PLACE}"
    skipped = "2 records make no example and were skipped, the first: a.jsonl, line 3: no field text"
    assert messages["RecordsSkipped"] == f"data set books: {skipped}"
    for views in ((view,), ()):
        again = after(*views, status=decided.status)
        assert again.status.datasets == (entry,), "whatever becomes of the Job"
        assert created(again) == []


BAD = TerminationMessage(code=65, reason="DataCorrupt", message="gs://lwm/books/a.jsonl, line 7: no field text")
BROKEN = preparation(
    worker(0, PodState.FAILED, exit_code=143, deleting=True),
    worker(
        1,
        PodState.FAILED,
        exit_code=75,
        name="earlier",
        termination_message=TerminationMessage(code=75, reason="Transient", message="the store is away"),
    ),
    worker(1, PodState.FAILED, exit_code=65, termination_message=BAD),
    failed=True,
    report=HALF,
)


def test_bad_data_fails_the_training_with_file_and_line_until_somebody_says_resume() -> None:
    decided = after(BROKEN)
    status = decided.status
    explanation = "data set books: worker 1 (bible-d1-r0-1): gs://lwm/books/a.jsonl, line 7: no field text"
    assert (status.phase, status.reason) == (Phase.FAILED, "DataCorrupt")
    assert status.message == f"stage 1/1 ctx512: {explanation}: fix it, then set spec.resume to 1"
    assert {event.reason for event in decided.events} == {"DatasetFailed", "TrainingFailed"}
    assert status.stages[0].state == StageState.PENDING, "its mixture may be edited"
    again = after(status=status)
    assert (again.status.phase, again.actions) == (Phase.FAILED, ()), "its Job may be gone"
    on = after(BROKEN, status=status, resume=1)
    assert (on.status.phase, created(on), deleted(on)) == (Phase.STARTING, [(1, 1)], ["uid-books-0"])
    assert on.status.datasets[0].run == 1
    assert created(after(status=on.status, resume=1)) == [(1, 1)], "the operator may have died before it was created"
    assert created(after(preparation(run=1), status=on.status, resume=1)) == []


def test_tries_that_are_used_up_fail_it_with_the_last_words() -> None:
    words = TerminationMessage(code=75, reason="StorageUnavailable", message="the store is away")
    view = preparation(
        worker(), worker(1, PodState.FAILED, exit_code=75, termination_message=words), failed=True, failed_indexes=frozenset({1})
    )
    (entry,) = after(view).status.datasets
    assert (entry.state, entry.reason) == (DatasetState.FAILED, "StorageUnavailable")
    assert entry.message == "worker 1 (bible-d1-r0-1): the store is away"


def test_a_failed_one_of_a_later_stage_lets_the_stages_before_it_run() -> None:
    stages = [stage("a", mixture=[{"dataset": "small"}]), stage("b", mixture=[{"dataset": "books"}])]
    decided = after(BROKEN, stages=stages, datasets=[dataset(), dataset("small", None)])
    assert (decided.status.phase, len(begun(decided))) == (Phase.STARTING, 1)
    assert {"DatasetFailed"} <= {event.reason for event in decided.events}


def test_spec_resume_does_not_touch_one_that_goes_on_or_is_ready() -> None:
    going = after(preparation(*BOTH, report=HALF), resume=3, status=Status(datasets=(DatasetStatus(name="books"),)))
    assert (going.status.datasets[0].run, going.actions) == (0, ())
    done = after(status=Status(datasets=(ready(),)), resume=3)
    assert (done.status.datasets[0].state, created(done)) == (DatasetState.READY, [])


def test_no_preparation_begins_with_defaults_in_place_of_lost_fields() -> None:
    current = new_training(status(running()), datasets=[dataset()])
    assert created(plan(current, Observed(), NOW)) == [(1, 0)]
    assert created(plan(current.model_copy(update={"lost_fields": ("datasets[books].frames.codes",)}), Observed(), NOW)) == []


def test_a_ready_data_set_whose_path_the_status_has_lost_takes_it_from_its_job_or_is_prepared_again() -> None:
    without_path = Status(datasets=(ready().model_copy(update={"path": None}),))
    done = preparation(*BOTH, report=replace_report(prepared=PREPARED), complete=True)
    decided = after(done, status=without_path)
    assert (decided.status.datasets[0].state, decided.status.datasets[0].path, created(decided)) == (DatasetState.READY, PLACE, [])
    decided = after(status=without_path)
    assert (decided.status.datasets[0].state, created(decided), begun(decided)) == (DatasetState.PENDING, [(1, 0)], [])
    finished = without_path.model_copy(update={"phase": Phase.COMPLETE})
    assert after(status=finished).status.datasets[0].state == DatasetState.READY, "nothing needs it any longer"


def test_suspended_trainings_begin_none_and_end_those_that_run() -> None:
    assert created(after(suspend=True)) == []
    decided = after(preparation(*BOTH, report=HALF), suspend=True)
    assert (decided.status.phase, deleted(decided)) == (Phase.SUSPENDED, ["uid-books-0"])
    assert created(after(status=decided.status)) == [(1, 0)], "it comes anew under the same name"


def test_a_spec_without_sense_gets_no_preparation() -> None:
    decided = after(stages=[stage(contextLength=514)])
    assert (decided.status.reason, decided.actions) == ("InvalidSpec", ())


def test_one_that_no_coming_stage_needs_is_ended() -> None:
    done = StageStatus(name="ctx512", state=StageState.COMPLETE, attempts=1, recent_attempts=(running(1, AttemptState.COMPLETE),))
    decided = after(preparation(*BOTH), status=Status(stages=(done,)))
    assert (decided.status.phase, deleted(decided)) == (Phase.COMPLETE, ["uid-books-0"])


def test_one_whose_pods_wait_for_what_the_spec_no_longer_says_is_made_anew() -> None:
    held = worker(0, PodState.PENDING, waiting=Waiting(reason="ErrImagePull", message="", since=SINCE))
    assert deleted(after(preparation(held, template="2-old"))) == ["uid-books-0"]
    assert deleted(after(preparation(held, template=template_hash(new_training().spec)))) == []
    assert deleted(after(preparation(held, worker(1), template="2-old"))) == [], "it has begun"


def test_a_worker_that_a_lost_node_keeps_is_removed() -> None:
    kept = worker(1, deleting=True, node="node2", deletion_deadline=SINCE)
    decided = after(preparation(worker(0), kept, report=HALF), lost=("node2",))
    assert [(action.name, action.grace_seconds) for action in decided.actions if isinstance(action, DeletePod)] == [("bible-d1-r0-1", 0)]
    assert after(preparation(worker(0), kept, report=HALF)).actions == ()


def test_when_the_status_is_lost_the_job_tells_which_run_it_is() -> None:
    decided = after(preparation(*BOTH, run=2, report=replace_report(prepared=PREPARED), complete=True), resume=2)
    (entry,) = decided.status.datasets
    assert (entry.run, entry.state, created(decided)) == (2, DatasetState.READY, [])


def test_what_was_prepared_goes_with_the_training() -> None:
    entry = StageStatus(name="ctx512", state=StageState.COMPLETE, attempts=1, recent_attempts=(running(1, AttemptState.COMPLETE),))
    before = after(status=Status(stages=(entry,), datasets=(ready(),))).status
    decided = after(preparation(*BOTH, complete=True), status=before, now=later(100), ttlSecondsAfterFinished=60)
    assert decided.actions == (CleanUp(attempts=(), preparations=(DeletePreparation(name="bible-d1-r0", uid="uid-books-0"),)),)


def test_a_creation_that_is_refused_stays_in_the_status_until_it_is_carried_out() -> None:
    refused = after().status.model_copy(update={"reason": "CreateFailed", "message": "exceeded quota"})
    decided = after(status=refused)
    assert (decided.status.reason, decided.status.message, created(decided)) == ("CreateFailed", "exceeded quota", [(1, 0)])
    assert after(preparation(*BOTH), status=refused).status.reason == "Preparing"


@pytest.mark.parametrize(("number", "reason"), [(1, "CreateFailed"), (2, "Preparing")])
def test_a_failed_creation_shows_where_the_stage_waits_for_it(number: int, reason: str) -> None:
    stages = [stage("a", mixture=[{"dataset": "books"}]), stage("b", mixture=[{"dataset": "poems"}])]
    failure = ActionFailure(action=CreatePreparation(number=number, run=0, template="t"), message="exceeded quota")
    decided = plan(new_training(stages=stages, datasets=[dataset(), dataset("poems")]), Observed(failed_actions=(failure,)), NOW)
    assert decided.status.reason == reason
    assert (decided.status.message == "exceeded quota") == (reason == "CreateFailed")
    assert created(decided) == [(1, 0), (2, 0)]


def test_sidecars_that_outlive_the_workers_hold_nothing_up() -> None:
    failed = worker(0, PodState.FAILED, exit_code=75, sidecars_run=True)
    decided = after(preparation(failed, worker(1)))
    assert [action.name for action in decided.actions if isinstance(action, DeletePod)] == [failed.name], "its Job retries it only then"
    done = [worker(index, PodState.SUCCEEDED, exit_code=0, sidecars_run=True) for index in (0, 1)]
    report = replace_report(prepared=PREPARED)
    decided = after(preparation(*done, complete=True, report=report))
    assert decided.status.datasets[0].state == DatasetState.READY
    assert deleted(decided) == ["uid-books-0"]


@pytest.mark.parametrize(
    ("message", "code", "runs"),
    [
        (f"{PLACE}: the token store is missing or incomplete", 65, [(1, 1)]),
        ("gs://lwm/other: no files", 65, []),
        (f"{PLACE}: a peer was lost", 79, []),
    ],
)
def test_a_prepared_data_set_whose_folder_is_gone_is_prepared_again_on_resume(message: str, code: int, runs: list[tuple[int, int]]) -> None:
    why = cause(FailureClass.PERMANENT, "DataMissing", message=message, exit_code=code)
    failed_stage = status(failed(1, why=why), state=StageState.FAILED).model_copy(update={"datasets": (ready(),)})
    assert created(plan(new_training(failed_stage), Observed(), NOW)) == []
    decided = plan(new_training(failed_stage, resume=1), Observed(), later(60))
    assert created(decided) == runs
    assert bool(begun(decided)) is not bool(runs), "the stage waits for its data"
