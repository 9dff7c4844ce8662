"""What a scrape of process 0 sees."""

import math
import socket
import urllib.request
from dataclasses import asdict

import pytest

from lwm_trainer.runtime.device_memory import DeviceMemory
from lwm_trainer.runtime.metrics import Metrics
from support.builders import a_step_report


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_a_scrape_sees() -> None:
    port = free_port()
    metrics = Metrics("bible", "ctx512", port)
    metrics.step(a_step_report(6, loss=5.5, seconds=1.5))
    metrics.step(a_step_report(7, loss=5.25, seconds=0.5))
    metrics.committed(5, 2.5)
    metrics.saved(0.25)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    labels = '{stage="ctx512",training="bible"}'
    for line in (
        "step%s 7.0",
        "loss%s 5.25",
        "committed_step%s 5.0",
        "tokens_total%s 8192.0",
        "step_seconds_sum%s 2.0",
        "save_seconds%s 0.25",
        "commit_seconds%s 2.5",
    ):
        assert "lwm_trainer_" + line % labels in lines


def test_failures_of_each_tracker_are_counted() -> None:
    metrics = Metrics("bible", "ctx512", None)
    for tracker in ("wandb", "tensorboard", "wandb"):
        metrics.tracker_failed(tracker)
    labels = {"training": "bible", "stage": "ctx512", "tracker": "wandb"}
    assert metrics.registry.get_sample_value("lwm_trainer_tracker_failures_total", labels) == 2


def test_skipped_steps_are_counted() -> None:
    metrics = Metrics("bible", "ctx512", None)
    for skipped in (True, False, True, None):
        metrics.step(a_step_report(skipped=skipped))
    labels = {"training": "bible", "stage": "ctx512"}
    assert metrics.registry.get_sample_value("lwm_trainer_skipped_steps_total", labels) == 2


def test_each_modality_s_loss_has_a_label() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.step(a_step_report(modality_losses={"text": 4.0, "vision": math.nan}))
    labels = {"training": "bible", "stage": "ctx512"}
    losses = [metrics.registry.get_sample_value("lwm_trainer_modality_loss", labels | {"modality": of}) for of in ("text", "vision")]
    assert losses == [4.0, pytest.approx(math.nan, nan_ok=True)]


def test_what_the_hardware_does_has_labels_and_is_absent_where_it_is_not_known() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.step(a_step_report())
    labels = {"training": "bible", "stage": "ctx512"}
    assert metrics.registry.get_sample_value("lwm_trainer_mfu_ratio", labels | {"definition": "model"}) is None
    assert metrics.registry.get_sample_value("lwm_trainer_device_memory_bytes", labels | {"kind": "peak"}) is None
    memory = DeviceMemory(in_use=5, peak=7, limit=9)
    metrics.step(a_step_report(batch_tokens=3, batch_positions=4, mfu={"model": 0.5, "parameters": 0.25}, memory=memory))
    assert metrics.registry.get_sample_value("lwm_trainer_mfu_ratio", labels | {"definition": "parameters"}) == 0.25
    kinds = {kind: metrics.registry.get_sample_value("lwm_trainer_device_memory_bytes", labels | {"kind": kind}) for kind in asdict(memory)}
    assert kinds == {"in_use": 5, "peak": 7, "limit": 9}
    assert metrics.registry.get_sample_value("lwm_trainer_fill_ratio", labels) == 0.75


def test_the_time_spent_is_counted_by_activity() -> None:
    metrics = Metrics("bible", "ctx512", None)
    for training in (1.5, 4.0):
        metrics.spent({"compiling": 30.0, "training": training})
    seconds = {
        activity: metrics.registry.get_sample_value(
            "lwm_trainer_spent_seconds_total", {"training": "bible", "stage": "ctx512", "activity": activity}
        )
        for activity in ("compiling", "training")
    }
    assert seconds == {"compiling": 30.0, "training": 4.0}


def test_a_taken_port_is_not_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        Metrics("bible", "ctx512", port).step(a_step_report())
        assert f"port {port} cannot be opened" in capsys.readouterr().err


def test_a_port_of_none_serves_nothing() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.committed(3, 1.0)
    assert metrics.registry.get_sample_value("lwm_trainer_committed_step", {"training": "bible", "stage": "ctx512"}) == 3
