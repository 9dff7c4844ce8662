from lwm_operator.api.attempt_status import AttemptState
from lwm_operator.api.stage_status import StageStatus
from lwm_operator.api.status import Status
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.stage_status import apply_report, complete_stage, stage_entries
from lwm_trainer.config import AcceptedChange, TimeSpent
from simulation.builders import final, job, pod, report, running, seen, stage, status, training

FAILED = AttemptState.FAILED


def test_a_commit_that_its_attempt_could_not_report_is_credited_when_the_next_one_resumes_from_it() -> None:
    attempts = (running(3), running(2, FAILED), running(1, FAILED, step=9))
    entry = apply_report(StageStatus(name="a", recent_attempts=attempts), report(attempt=3, resumed_from=8))
    assert [attempt.committed_step for attempt in entry.recent_attempts] == [0, 0, 8]
    assert (entry.step, entry.committed_step) == (8, 8)


def test_a_commit_that_is_known_is_not_credited_again() -> None:
    attempts = (running(2), running(1, FAILED, step=9, committed_step=8))
    entry = apply_report(StageStatus(name="a", recent_attempts=attempts), report(attempt=2, resumed_from=8))
    assert entry.recent_attempts[1] == attempts[1]


def test_the_storage_decides_which_checkpoint_is_the_newest_once_an_attempt_trains() -> None:
    entry = StageStatus(name="a", step=33, committed_step=30, recent_attempts=(running(2), running(1, FAILED, committed_step=30)))
    before = apply_report(entry, report(attempt=2))
    assert (before.step, before.committed_step) == (30, 30), "it may not have restored yet"
    trains = apply_report(entry, report(attempt=2, resumed_from=20, committed_step=20, step=21))
    assert (trains.step, trains.committed_step) == (21, 20)


def test_the_newest_trace_stays_in_the_status() -> None:
    traced = apply_report(StageStatus(name="a", recent_attempts=(running(),)), report(step=5, profile="gs://lwm/traces/5"))
    assert traced.profile == "gs://lwm/traces/5"
    assert apply_report(traced, report(step=6)).profile == "gs://lwm/traces/5"


def test_the_time_spent_comes_with_a_step_a_checkpoint_or_the_end_and_alone_it_writes_no_status() -> None:
    entry = StageStatus(name="a", recent_attempts=(running(),))
    compiling = report(time_spent=TimeSpent(compiling=5))
    assert apply_report(entry, compiling) == entry
    trains = apply_report(entry, report(step=1, time_spent=TimeSpent(compiling=9, training=2)))
    assert trains.recent_attempts[0].time_spent == TimeSpent(compiling=9, training=2)
    evaluated = report(step=1, time_spent=TimeSpent(compiling=9, training=2, evaluating=7), final=final(1))
    assert apply_report(trains, evaluated).recent_attempts[0].time_spent == evaluated.time_spent


def test_the_first_attempt_credits_nobody() -> None:
    entry = StageStatus(name="a", recent_attempts=(running(),))
    assert apply_report(entry, report(step=5, loss=4.25)).loss == "4.2500"
    assert apply_report(entry, report(attempt=2, step=5)) == entry
    assert apply_report(entry, None) == entry


def test_stage_entries_follow_the_spec_and_recover_attempts_that_the_status_lost() -> None:
    spec = training(stages=[stage("a"), stage("b")]).spec
    known = stage_entries(spec, status(running(2), name="a"), seen(job(1, 2)))
    assert [(entry.name, entry.attempts, entry.total_steps) for entry in known] == [("a", 2, 60), ("b", 0, 60)]
    entries = stage_entries(spec, status(name="a"), seen(job(1, 3), job(1, 2)))
    assert (entries[0].attempts, entries[0].restarts, entries[0].recent_attempts[0].state) == (3, 2, AttemptState.CREATING)
    assert [entry.name for entry in stage_entries(spec, status(running(), name="gone"), Observed())] == ["a", "b"]


def test_a_stage_whose_last_report_was_lost_takes_its_loss_from_the_final_report() -> None:
    report = final(60).model_copy(update={"loss": 4.25})
    assert complete_stage(StageStatus(name="a"), report, "2026-01-01T12:00:00Z").loss == "4.2500"
    assert complete_stage(StageStatus(name="a", loss="4.3"), final(60), "2026-01-01T12:00:00Z").loss == "4.3"


def test_any_child_that_is_left_gives_the_number_of_an_attempt_that_the_status_lost() -> None:
    spec = training().spec
    for left in (seen(job(attempt=3)), seen(pod(attempt=3)), seen(reports={(1, 3): report(attempt=3)})):
        assert stage_entries(spec, Status(), left)[0].attempts == 3
    assert stage_entries(spec, Status(), seen())[0].attempts == 0


def test_an_accepted_change_of_the_data_stays_in_the_status_of_its_stage() -> None:
    change = AcceptedChange(dataset="a", step=8, previous="a" * 16, content="b" * 16)
    entry = StageStatus(name="a", recent_attempts=(running(2), running(1, FAILED)))
    for _ in range(2):
        entry = apply_report(entry, report(attempt=2, resumed_from=8, accepted_changes=(change,)))
    entry = apply_report(entry.model_copy(update={"recent_attempts": (running(3),)}), report(attempt=3, resumed_from=9))
    assert entry.accepted_changes == (change,)
