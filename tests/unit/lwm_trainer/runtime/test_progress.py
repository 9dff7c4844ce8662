"""Progress: what reaches the API server, and that nothing there can hurt a step."""

import datetime
import ipaddress
import json
import math
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic.alias_generators import to_camel

from lwm_trainer.config import PROGRESS_ANNOTATION, FinalReport, Hang, Lease, Phase, Preparation, Prepared, Progress, RunConfig, TimeSpent
from lwm_trainer.preparation.preparation_report import PreparationReport
from lwm_trainer.runtime import progress
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.progress import LeaseRenewer, ProgressReporter
from support.builders import ALONE, a_run, a_step_report

FINAL = FinalReport(checkpoint="gs://lwm/runs/x/60", step=60, state_hash="a" * 64, record_hash="b" * 64)


def config(**changes: Any) -> RunConfig:
    lease = {"namespace": "trainings", "name": "bible-s1-a2"}
    about = {"attempt": 2, "steps": 60, "gang": ALONE["gang"] | {"job": "bible-s1-a2"}, "lease": lease}
    return a_run(**(ALONE | about | changes))


class ApiServer(ThreadingHTTPServer):
    """Takes PATCHes and keeps them; `status` is what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Patches)
        self.status = 200
        self.patches: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(body["metadata"]["annotations"][PROGRESS_ANNOTATION]) for _, _, body in self.patches]


class Patches(BaseHTTPRequestHandler):
    server: ApiServer

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.patches.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate for 127.0.0.1 that is its own authority, as ca.crt, and its key."""
    folder = tmp_path_factory.mktemp("account")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key").write_bytes(key.private_bytes(*pem))
    return folder


@pytest.fixture
def account(authority: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ca.crt").write_bytes((authority / "ca.crt").read_bytes())
    (tmp_path / "token").write_text("first\n")
    monkeypatch.setattr(progress, "SERVICE_ACCOUNT", tmp_path)
    return tmp_path


@pytest.fixture
def server(authority: Path, account: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with ApiServer() as made:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "ca.crt", authority / "key")
        made.socket = context.wrap_socket(made.socket, server_side=True)
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(made.server_port))
        yield made
        made.shutdown()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "did not happen in 20 s"
        time.sleep(0.01)


def test_phases_commits_and_the_end_are_sent_at_once_steps_are_not(server: ApiServer, account: Path) -> None:
    tracker = PhaseTracker(Hang())
    reporter = ProgressReporter(config(), tracker, seconds=3600)
    tracker.resumed(10)
    reporter.resumed(10)
    tracker.enter(Phase.TRAINING)
    wait_for(lambda: server.reports()[-1:] != [] and server.reports()[-1]["phase"] == "Training")
    (account / "token").write_text("second")
    sent = len(server.patches)
    tracker.step(11, 1.25)
    reporter.step(a_step_report(11, loss=5.5, grad_norm=0.5, seconds=1.25, batch_tokens=5000))
    time.sleep(0.2)
    assert len(server.patches) == sent
    reporter.committed(11)
    wait_for(lambda: len(server.patches) > sent)
    reporter.final(FINAL)
    tracker.enter(Phase.COMPLETE)
    reporter.close()
    assert reporter.failures == 0

    path, headers, body = server.patches[sent]
    assert path == "/apis/coordination.k8s.io/v1/namespaces/trainings/leases/bible-s1-a2"
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert headers["Authorization"] == "Bearer second"
    assert server.patches[0][1]["Authorization"] == "Bearer first"
    assert body["spec"]["holderIdentity"] == "bible-s1-a2-0"
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.strptime(body["spec"]["renewTime"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert abs(age.total_seconds()) < 60
    report = server.reports()[sent]
    assert report.pop("timeSpent").keys() == {to_camel(name) for name in TimeSpent.model_fields}
    assert report == {
        "attempt": 2,
        "phase": "Training",
        "phaseDeadlineSeconds": 1800,
        "idleSeconds": 0,
        "step": 11,
        "steps": 60,
        "loss": 5.5,
        "gradNorm": 0.5,
        "tokensPerSecond": 4000.0,
        "stepSeconds": 1.25,
        "tokensSeen": 55000,
        "resumedFrom": 10,
        "committedStep": 11,
        "acceptedChanges": [],
        "suites": [],
    }
    assert server.reports()[-1]["final"]["recordHash"] == "b" * 64
    assert server.reports()[-1]["phase"] == "Complete"


def test_the_lease_is_renewed_while_nothing_changes_and_says_for_how_long(server: ApiServer) -> None:
    clock = iter(range(1000, 10**6, 7))
    reporter = ProgressReporter(config(), PhaseTracker(Hang(), clock=lambda: next(clock)), seconds=0.02)
    wait_for(lambda: len(server.patches) >= 4)
    reporter.close()
    idle = [report["idleSeconds"] for report in server.reports()]
    assert idle == sorted(set(idle)), "each later report says a longer time"
    assert {report["phase"] for report in server.reports()} == {"Rendezvous"}


def test_a_preparation_s_lease_ends_with_the_store(server: ApiServer) -> None:
    report = PreparationReport(clock=lambda: 0.0)
    renewer = LeaseRenewer(Lease(namespace="trainings", name="bible-d1-r0"), "bible-d1-r0-0", report.now, seconds=3600)
    wait_for(lambda: len(server.patches) == 1)
    report.planned(2, 1000, {})
    report.ended(Prepared(uri="gs://lwm/runs/datasets/x", documents=3, tokens=40))
    renewer.close()
    path, _, body = server.patches[-1]
    assert path == "/apis/coordination.k8s.io/v1/namespaces/trainings/leases/bible-d1-r0"
    assert body["spec"]["holderIdentity"] == "bible-d1-r0-0"
    assert Preparation.model_validate(server.reports()[0]) == Preparation()
    assert Preparation.model_validate(server.reports()[-1]) == report.now()
    assert server.reports()[-1]["prepared"] == {
        "uri": "gs://lwm/runs/datasets/x",
        "documents": 3,
        "tokens": 40,
        "skipped": 0,
        "questions": {},
    }


def test_failures_are_counted_logged_once_and_hold_nobody_up(server: ApiServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.status = 403
    reporter = ProgressReporter(config(), PhaseTracker(Hang()), seconds=0.01)
    wait_for(lambda: reporter.failures >= 5)
    began = time.monotonic()
    for _ in range(1000):
        reporter.step(a_step_report(loss=math.nan))
    assert time.monotonic() - began < 1
    reporter.close()
    assert capsys.readouterr().err.count("reports not delivered") == 1
    assert "loss" in server.reports()[-1]
    assert server.reports()[-1]["loss"] is None


def test_a_server_that_is_gone_is_survived(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    reporter = ProgressReporter(config(), PhaseTracker(Hang()), seconds=0.01)
    wait_for(lambda: reporter.failures >= 2)
    reporter.close()


def test_outside_kubernetes_the_report_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.json"
    monkeypatch.setenv("LWM_REPORT_PATH", str(file))
    reporter = ProgressReporter(config(lease=None), PhaseTracker(Hang()), seconds=3600)
    reporter.resumed(20)
    reporter.close()
    assert Progress.read_json(file.read_text()) == reporter.progress
    assert reporter.failures == 0
    assert list(tmp_path.iterdir()) == [file], "it is complete at any moment, and leaves nothing beside it"


def test_without_a_lease_and_in_other_processes_nothing_is_sent(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    reporters = [ProgressReporter(config(lease=None), PhaseTracker(Hang()), seconds=0.01)]
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    reporters.append(ProgressReporter(config(), PhaseTracker(Hang()), seconds=0.01))
    for reporter in reporters:
        reporter.resumed(20)
        reporter.close()
        assert (reporter.progress.resumed_from, reporter.progress.committed_step) == (20, 20)
    assert server.patches == []
