import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.operator.handover import first_reported
from benchmarks.operator.operator_load import total
from benchmarks.operator.process_kills import has_committed, progress
from benchmarks.operator.watch import Watch, WatchEvent, WatchTimeoutError, named, of_job, other_than, runs
from benchmarks.operator.workloads import bare_job, nowhere, training
from lwm_operator.api.training import parse_training
from lwm_trainer.config import PROGRESS_ANNOTATION
from tools.kubectl import Kubectl


def pod(job: str, index: int, phase: str, **metadata: Any) -> WatchEvent:
    labels = {"batch.kubernetes.io/job-name": job, "batch.kubernetes.io/job-completion-index": str(index)}
    return WatchEvent(
        1.0, "MODIFIED", {"metadata": {"name": f"{job}-{index}", "uid": "u", "labels": labels, **metadata}, "status": {"phase": phase}}
    )


def lease(**report: Any) -> WatchEvent:
    return WatchEvent(1.0, "MODIFIED", {"metadata": {"name": "a", "annotations": {PROGRESS_ANNOTATION: json.dumps(report)}}})


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watch of a kubectl that prints three events, the last one torn, and stays."""
    program = tmp_path / "kubectl"
    events = [json.dumps({"type": "ADDED", "object": {"metadata": {"name": name}}}) for name in ("a", "b", "torn")]
    program.write_text(f"#!/bin/sh\nprintf '%s\\n%s\\n%s' '{events[0]}' '{events[1]}' '{events[2][:20]}'\nexec sleep 60\n")
    program.chmod(0o755)
    return Watch(Kubectl(tmp_path / "config", "x", str(program)), "batch/v1", "jobs")


def test_what_has_come_is_found_and_what_has_not_is_said_with_its_sentence(watch: Watch) -> None:
    began = time.time()
    with watch:
        assert watch.first(named("b"), 20, "b is there").moment >= began
        assert watch.first(lambda event: event.type == "ADDED", 20, "any").name == "a"
        with pytest.raises(WatchTimeoutError, match=r"still not: c is there \(watch of jobs, 2 events\)"):
            watch.first(named("c"), 0.1, "c is there")


def test_a_pod_is_told_by_its_job_and_host_and_does_not_run_once_it_is_being_deleted() -> None:
    assert of_job("a", 1)(pod("a", 1, "Pending"))
    assert of_job("a")(pod("a", 7, "Pending"))
    assert not of_job("a", 1)(pod("a", 0, "Pending"))
    assert not of_job("a", 1, runs)(pod("a", 1, "Pending"))
    assert of_job("a", 1, runs)(pod("a", 1, "Running"))
    assert not runs(pod("a", 1, "Running", deletionTimestamp="2026-01-01T00:00:00Z"))
    assert other_than("v")(pod("a", 1, "Running"))
    assert not other_than("u")(pod("a", 1, "Running"))


def test_an_attempt_has_committed_when_it_is_past_where_it_began() -> None:
    assert not has_committed(WatchEvent(1.0, "ADDED", {"metadata": {"name": "a"}}))
    assert not has_committed(lease(committedStep=10, resumedFrom=10))
    assert has_committed(lease(committedStep=15, resumedFrom=10))
    assert progress(lease(step=3)) == {"step": 3}


def test_the_first_word_about_a_phase_tells_when_it_began() -> None:
    leases = [lease(), lease(phase="Compiling"), lease(phase="Training"), lease(phase="Training", step=5)]
    moments = [replace(event, moment=float(number)) for number, event in enumerate(leases)]
    assert first_reported(moments) == {"Compiling": 1.0, "Training": 2.0}


def test_a_metric_is_summed_over_its_labels_and_a_missing_one_is_an_error() -> None:
    text = 'x_total{method="GET",code="200"} 3.0\nx_total{method="POST",code="201"} 2.0\nx_total_other 9.0\n# HELP x_total words\n'
    assert total(text, "x_total") == 5.0
    with pytest.raises(ValueError, match="no y_total"):
        total(text, "y_total")


def test_the_trainings_are_ones_that_the_operator_takes_and_the_bare_job_retries() -> None:
    trained = parse_training(training("t", steps=20) | {"metadata": {"name": "t", "namespace": "x", "uid": "1a2b3c4d"}})
    assert (trained.spec.stages[0].total_steps, trained.spec.checkpoint.save_interval_steps) == (20, 5)
    assert nowhere("t")["spec"]["podTemplate"]["nodeSelector"]
    assert bare_job("j", "image", hosts=2)["spec"]["backoffLimit"] > 100
