"""Trackers from a run config."""

from pathlib import Path

from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.tracking.start import start_feed
from support.builders import a_run, a_step_report
from support.event_files import scalars_of


def test_a_run_without_trackers_has_no_feed() -> None:
    run = a_run()
    assert start_feed(run, Record.empty_of(run), 0, lambda _: None) is None


def test_what_was_committed_before_the_attempt_is_handed_over_with_the_schedule_s_learning_rates(tmp_path: Path) -> None:
    optimizer = {"peak_learning_rate": 0.5, "warmup_steps": 1, "schedule": "constant"}
    checkpoint = {"root": str(tmp_path), "save_interval_steps": 1}
    run = a_run(optimizer=optimizer, checkpoint=checkpoint, attempt=2, trackers={"tensorboard": True})
    record = Record.empty_of(run)
    for step in (1, 2, 3):
        record.add(a_step_report(step))
    feed = start_feed(run, record, 2, lambda _: None)
    assert feed is not None
    feed.close()
    (file,) = tmp_path.rglob("*tfevents*")
    assert [(event.step, scalars["train/learning_rate"]) for event, scalars in scalars_of(file)] == [(1, 0.25), (2, 0.5)]
