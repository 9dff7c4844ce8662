"""The chart's alerts and dashboard, judged by promtool and answered by a real Prometheus that scrapes the code's metrics."""

import http.client
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY, MetricsHandler

import lwm_operator.controller.metrics as operator_metrics
from lwm_operator.api.training import Training
from lwm_trainer.config import ValidationLoss
from lwm_trainer.config.http_server import serve_in_thread
from lwm_trainer.runtime.device_memory import DeviceMemory
from lwm_trainer.runtime.metrics import Metrics
from monitoring import build
from support.builders import a_step_report
from tools.operator_chart import CHART

ALERTS = CHART / "monitoring" / "alerts.yaml"
FOLDER = Path(__file__).parent
SLOWEST = ("lwm_trainer_tokens_total", "lwm_operator_reconcile_failures_total")
"""A counter of each scrape: an increase needs two."""


@pytest.fixture(scope="module")
def programs() -> Path:
    return build.programs()


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "--lint=all", "--lint-fatal", str(ALERTS)), ("test", "rules", str(FOLDER / "alerts_test.yaml"))]
)
def test_promtool_finds_no_fault(programs: Path, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([programs / "promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test() -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    tests = yaml.safe_load((FOLDER / "alerts_test.yaml").read_text())["tests"]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each["exp_alerts"]}
    assert fired == alerts


class Server:
    """A Prometheus that scrapes the operator's and a trainer's metrics each second."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str, **parameters: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(f"{response.status}: {body.decode()}")
            return json.loads(body)["data"]
        finally:
            connection.close()

    def samples(self, query: str) -> list[Any]:
        """The series with which the query is answered now. Raises HTTPException for a query that cannot be read."""
        return list(self.get("query", query=query)["result"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def count_something(trainer: Metrics, step: int) -> None:
    """A step of a trainer on accelerators, and what the operator counts meanwhile."""
    report = a_step_report(
        step,
        seconds=0.5,
        modality_losses={"text": 4.0, "vision": 5.0},
        skipped=step % 2 == 0,
        mfu={"model": 0.5, "parameters": 0.4},
        memory=DeviceMemory(in_use=5, peak=7, limit=9),
    )
    trainer.step(report)
    trainer.spent({"compiling": 20.0, "training": 0.5 * step})
    trainer.saved(0.2)
    trainer.committed(step, 1.5)
    trainer.validated([ValidationLoss(step=step, dataset="held", modality="text", loss=4.0, targets=9, positions=())])
    trainer.tracker_failed("wandb")
    operator_metrics.RECONCILE.observe(0.02)
    operator_metrics.FAILURES.inc()
    operator_metrics.QUEUE.set(step)
    operator_metrics.LEADER.set(1)
    operator_metrics.NAMESPACE_SERVED.labels("lab").set(1)


@pytest.fixture(scope="module")
def server(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("prometheus")
    trainer = Metrics("bible", "short", trainer_port := free_port())
    operator_port, port = free_port(), free_port()
    serve_in_thread(operator_port, MetricsHandler.factory(REGISTRY))
    manifest = yaml.safe_load((CHART.parents[1] / "examples" / "laptop.yaml").read_text())
    manifest["metadata"] |= {"name": "bible", "namespace": "lab", "uid": "1"}
    operator_metrics.update(Training.model_validate({**manifest, "status": {"phase": "Running"}}))
    scrapes = [
        {"job_name": "operator", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{operator_port}"]}]},
        {"job_name": "trainer", "static_configs": [{"targets": [f"127.0.0.1:{trainer_port}"], "labels": {"namespace": "lab"}}]},
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "rule_files": [str(ALERTS)], "scrape_configs": scrapes}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [str(programs / "prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        try:
            answered = Server(port)
            for step in range(1, 61):
                count_something(trainer, step)
                time.sleep(0.5)
                assert process.poll() is None, (folder / "log").read_text()
                try:
                    if all(answered.samples(f"increase({counter}[1m]) > 0") for counter in SLOWEST):
                        break
                except (OSError, http.client.HTTPException):  # it starts
                    continue
            yield answered
        finally:
            process.terminate()
            process.wait()


def dashboard_queries() -> list[str]:
    dashboard = json.loads((CHART / "monitoring" / "dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("query", dashboard_queries())
def test_prometheus_answers_each_query_of_the_dashboard(server: Server, query: str) -> None:
    assert server.samples(query.replace("$namespace", "lab").replace("$training", "bible"))


def test_prometheus_loads_the_alerts(server: Server) -> None:
    rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    assert len(rules) == sum(len(group["rules"]) for group in yaml.safe_load(ALERTS.read_text())["groups"])
