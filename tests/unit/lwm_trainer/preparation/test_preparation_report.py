"""What a preparation reports: sums over all workers, how fast, how long yet, and never too much for an annotation."""

import pytest

from lwm_trainer.config import Prepared
from lwm_trainer.data.documents.store_schema import Counts
from lwm_trainer.preparation.preparation_report import PreparationReport, progress_line
from lwm_trainer.runtime.progress import to_json


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_speed_is_of_the_last_minute_and_not_of_what_was_done_before() -> None:
    clock = Clock()
    report = PreparationReport(clock=clock)
    assert report.now().shards == 0
    assert progress_line(report.now()) == "counting shards"
    report.planned(10, 10_000, {0: Counts(5, 50, 1000)})
    assert (report.now().bytes_per_second, report.now().eta_seconds) == (None, None)
    clock.now = 10.0
    report.current(Counts(2, 20, 500))
    now = report.now()
    assert (now.shards, now.shards_done, now.documents, now.tokens, now.bytes_done, now.bytes_total) == (10, 1, 7, 70, 1500, 10_000)
    assert (now.bytes_per_second, now.eta_seconds) == (50.0, 170)
    for second in range(20, 201, 10):  # slower: 10 bytes a second
        clock.now = second
        report.current(Counts(2, 20, 500 + (second - 10) * 10))
    assert report.now().bytes_per_second == pytest.approx(10.0, rel=0.2)


def test_frames_have_a_speed_of_their_own() -> None:
    clock = Clock()
    report = PreparationReport(clock=clock)
    report.planned(2, 200, {})
    assert report.now().frames_per_second is None
    for second in range(1, 11):
        clock.now = second
        report.frames_encoded(32)
    assert (report.now().frames, report.now().frames_per_second) == (320, 32.0)
    assert progress_line(report.now()) == "0 of 2 shards, 0 documents, 0 tokens, 32.0 frames/s a worker"
    assert report.now().eta_seconds is None, "no document is done yet"


def test_shards_count_once_whoever_did_them_and_the_sum_ends_with_the_store() -> None:
    report = PreparationReport()
    report.planned(2, 200, {})
    report.current(Counts(1, 10, 90))
    report.done({0: Counts(2, 20, 100, 1, "a:3: bad")})
    report.done({0: Counts(2, 20, 100, 1, "a:3: bad"), 1: Counts(3, 30, 100, 1, "b:1: bad")})
    now = report.now()
    assert (now.shards_done, now.documents, now.tokens, now.bytes_done, now.skipped, now.first_skipped) == (2, 5, 50, 200, 2, "a:3: bad")
    prepared = Prepared(uri="/x", documents=5, tokens=50, skipped=2)
    report.ended(prepared)
    assert (report.now().prepared, report.now().documents, report.now().skipped) == (prepared, 5, 2)
    assert progress_line(report.now()).startswith("2 of 2 shards, 5 documents, 50 tokens")


def test_a_store_that_was_there_is_told_as_such() -> None:
    report = PreparationReport()
    report.ended(Prepared(uri="/x", documents=5, tokens=50, skipped=1), "a:3: bad")
    assert progress_line(report.now()) == "prepared before: 5 documents, 50 tokens"
    assert (report.now().skipped, report.now().first_skipped) == (1, "a:3: bad")


def test_a_report_is_short_whatever_a_record_says() -> None:
    report = PreparationReport()
    report.planned(1, 1, {0: Counts(0, 0, 1, 1, "ü" * 5000)})
    report.ended(Prepared(uri="gs://" + "x" * 300, documents=10**12, tokens=10**15, skipped=10**9))
    assert len(to_json(report.now()).encode()) <= 2048
