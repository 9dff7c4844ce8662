"""What a scrape of process 0 sees."""

import math
import socket
import urllib.request

import pytest

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
    metrics.committed(5)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    labels = '{stage="ctx512",training="bible"}'
    for line in ("step%s 7.0", "loss%s 5.25", "committed_step%s 5.0", "tokens_total%s 8192.0", "step_seconds_sum%s 2.0"):
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


def test_a_taken_port_is_not_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        Metrics("bible", "ctx512", port).step(a_step_report())
        assert f"port {port} cannot be opened" in capsys.readouterr().err


def test_a_port_of_none_serves_nothing() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.committed(3)
    assert metrics.registry.get_sample_value("lwm_trainer_committed_step", {"training": "bible", "stage": "ctx512"}) == 3
