"""Metrics and step lines."""

import json
import math
import socket
import urllib.request

import pytest

from lwm_trainer.config import STEP_LINE_PREFIX
from lwm_trainer.runtime.metrics import Metrics, step_line


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_a_scrape_sees() -> None:
    port = free_port()
    metrics = Metrics("bible", "ctx512", port)
    metrics.step(6, 5.5, 0.25, 4000.0, 1.5, 4096)
    metrics.step(7, 5.25, 0.25, 4000.0, 0.5, 4096)
    metrics.committed(5)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    labels = '{stage="ctx512",training="bible"}'
    for line in ("step%s 7.0", "loss%s 5.25", "committed_step%s 5.0", "tokens_total%s 8192.0", "step_seconds_sum%s 2.0"):
        assert "lwm_trainer_" + line % labels in lines


def test_each_modality_s_loss_has_a_label() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.step(1, 5.0, 0.25, 4000.0, 1.5, 4096, {"text": 4.0, "vision": math.nan})
    labels = {"training": "bible", "stage": "ctx512"}
    found = [metrics.registry.get_sample_value("lwm_trainer_modality_loss", labels | {"modality": of}) for of in ("text", "vision")]
    assert found == [4.0, pytest.approx(math.nan, nan_ok=True)]


def test_a_taken_port_is_not_fatal(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        Metrics("bible", "ctx512", port).step(1, 1.0, 1.0, 1.0, 1.0, 1)
        assert f"port {port} is not to be had" in capsys.readouterr().err


def test_a_port_of_none_serves_nothing() -> None:
    metrics = Metrics("bible", "ctx512", None)
    metrics.committed(3)
    assert metrics.registry.get_sample_value("lwm_trainer_committed_step", {"training": "bible", "stage": "ctx512"}) == 3


def test_a_step_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    step_line(3, 5.5, math.inf, 4000.0, 1.25, 12288)
    line = capsys.readouterr().out
    assert line.startswith(STEP_LINE_PREFIX)
    assert line.count("\n") == 1
    assert json.loads(line.removeprefix(STEP_LINE_PREFIX)) == {
        "step": 3,
        "loss": 5.5,
        "gradNorm": None,
        "tokensPerSecond": 4000.0,
        "stepSeconds": 1.25,
        "tokensSeen": 12288,
    }


def test_a_step_s_line_shows_each_modality_s_loss_and_null_where_it_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    step_line(3, 5.5, 1.0, 4000.0, 1.25, 12288, {"text": 4.5, "vision": math.nan})
    found = json.loads(capsys.readouterr().out.removeprefix(STEP_LINE_PREFIX))
    assert (found["loss"], found["textLoss"], found["visionLoss"]) == (5.5, 4.5, None)
