"""Progress of a training or a preparation, reported by process 0 on its Lease while it runs; outside Kubernetes, in a file."""

import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lwm_trainer.config import (
    PROCESS_INDEX_VARIABLE,
    PROGRESS_ANNOTATION,
    PROGRESS_SECONDS,
    REPORT_VARIABLE,
    AcceptedChange,
    FinalReport,
    Lease,
    Preparation,
    Progress,
    RunConfig,
    SuiteScore,
    TimeSpent,
)
from lwm_trainer.runtime import console
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.step_report import StepReport

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LeaseReport = Progress | Preparation
FILE_SECONDS = 1.0
"""Seconds between two reports in a file, which costs nobody a request."""
_TIMEOUT_SECONDS = 5.0
_LOG_SECONDS = 60.0
_MOST_DAMAGE = 400
"""Characters of a damaged checkpoint's description: the report has to fit into 2 KiB."""


class LeaseRenewer:
    """Renews a Lease from a thread of its own: every `seconds`, and at once when it is woken.

    A renewal that fails is dropped, counted in `failures` and logged at most once a minute, so that training never waits for it. Where
    `REPORT_VARIABLE` names a file, the report is written there instead. With neither, and in any process but 0, nothing is sent. Its
    methods may be called from any thread.
    """

    def __init__(self, lease: Lease | None, holder: str, report: Callable[[], LeaseReport], *, seconds: float = PROGRESS_SECONDS) -> None:
        self.failures = 0
        self._report, self._seconds = report, seconds
        self._wake = threading.Event()
        self._closed = False
        self._logged_at: float | None = None
        self._thread: threading.Thread | None = None
        send: Callable[[LeaseReport], None] | None = None
        if file := os.environ.get(REPORT_VARIABLE):
            send, self._seconds = partial(write_report, Path(file)), min(seconds, FILE_SECONDS)
        elif lease is not None:
            send = partial(patch_lease, lease, holder)
        if send is not None and os.environ.get(PROCESS_INDEX_VARIABLE, "0") == "0":
            self._thread = threading.Thread(target=self._run, args=(send,), name="progress", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """Renew now: the report is urgent."""
        self._wake.set()

    def close(self) -> None:
        """Send the latest report once more and end the thread; waits a few seconds at most."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_SECONDS)

    def _run(self, send: Callable[[LeaseReport], None]) -> None:
        while True:
            closing = self._closed
            self._wake.clear()
            try:
                send(self._report())
            except Exception as error:
                self._count_failure(error)
            if closing:
                return
            if not self._closed:
                self._wake.wait(self._seconds)

    def _count_failure(self, error: Exception) -> None:
        self.failures += 1
        now = time.monotonic()
        if self._logged_at is None or now - self._logged_at >= _LOG_SECONDS:
            self._logged_at = now
            console.warn(f"progress: {self.failures} reports not delivered, latest: {type(error).__name__}: {error}")


class ProgressReporter:
    """Reports a training on its attempt's Lease: every `PROGRESS_SECONDS`, and at once at a new phase, a commit or the stage's end.

    Phase, step and idle time are read from `tracker` when a report is made; the training thread reports the rest. Its methods may be
    called from any thread.
    """

    def __init__(self, run: RunConfig, tracker: PhaseTracker, *, seconds: float = PROGRESS_SECONDS) -> None:
        self._lock = threading.Lock()
        self._tracker = tracker
        start = tracker.snapshot()
        self._progress = Progress(attempt=run.attempt, phase=start.phase, phase_deadline_seconds=start.deadline_seconds, steps=run.steps)
        self._renewer = LeaseRenewer(run.lease, run.gang.address(0).partition(".")[0], lambda: self.progress, seconds=seconds)
        tracker.listener = self._renewer.wake

    @property
    def failures(self) -> int:
        """Reports that were not delivered."""
        return self._renewer.failures

    @property
    def progress(self) -> Progress:
        """The report as it is now."""
        snapshot = self._tracker.snapshot()
        current = {
            "phase": snapshot.phase,
            "phase_deadline_seconds": snapshot.deadline_seconds,
            "idle_seconds": int(snapshot.idle_seconds),
            "step": snapshot.steps_done,
            "time_spent": TimeSpent.model_validate({name: int(seconds) for name, seconds in snapshot.time_spent.items()}),
        }
        with self._lock:
            return self._progress.model_copy(update=current)

    def resumed(self, step: int, accepted_changes: tuple[AcceptedChange, ...] = (), damaged_checkpoint: str | None = None) -> None:
        """The attempt begins at `step`, which is committed, with these changes of the data; a newer checkpoint is damaged."""
        self._change(
            urgent=True,
            resumed_from=step,
            committed_step=step,
            accepted_changes=accepted_changes,
            damaged_checkpoint=damaged_checkpoint and damaged_checkpoint[:_MOST_DAMAGE],
        )

    def step(self, report: StepReport) -> None:
        """A step is done; the next renewal of the Lease says so."""
        self._change(
            urgent=False,
            loss=report.loss,
            grad_norm=report.grad_norm,
            tokens_per_second=report.tokens_per_second,
            step_seconds=report.seconds,
            tokens_seen=report.tokens_seen,
        )

    def validated(self, loss: float) -> None:
        """A validation is done, with this mean loss of all its targets; the next renewal of the Lease says so."""
        self._change(urgent=False, validation_loss=loss)

    def evaluated(self, scores: tuple[SuiteScore, ...]) -> None:
        """Suites of the gate have these scores so far."""
        self._change(urgent=True, suites=scores)

    def profiled(self, folder: str) -> None:
        """A trace is written into this folder; the next renewal of the Lease says so."""
        self._change(urgent=False, profile=folder)

    def committed(self, step: int) -> None:
        """The checkpoint of `step` is complete."""
        self._change(urgent=True, committed_step=step)

    def final(self, final: FinalReport) -> None:
        """The stage's end is committed."""
        self._change(urgent=True, committed_step=final.step, final=final)

    def close(self) -> None:
        """Send the latest report once more; waits a few seconds at most."""
        self._renewer.close()

    def _change(self, *, urgent: bool, **fields: object) -> None:
        with self._lock:
            self._progress = self._progress.model_copy(update=fields)
        if urgent:
            self._renewer.wake()


def patch_lease(lease: Lease, holder: str, report: LeaseReport) -> None:
    """Renew the Lease as `holder`, with `report` as an annotation. Raises OSError or http.client.HTTPException when that fails."""
    body = {
        "metadata": {"annotations": {PROGRESS_ANNOTATION: to_json(report)}},
        "spec": {"holderIdentity": holder, "renewTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")},
    }
    token = (SERVICE_ACCOUNT / "token").read_text().strip()  # read each time, because the kubelet replaces it
    connection = _connect()
    try:
        connection.request(
            "PATCH",
            f"/apis/coordination.k8s.io/v1/namespaces/{lease.namespace}/leases/{lease.name}",
            json.dumps(body),
            {"Content-Type": "application/merge-patch+json", "Authorization": f"Bearer {token}"},
        )
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            raise http.client.HTTPException(f"{response.status} {response.reason}: {answer[:200].decode(errors='replace')}")
    finally:
        connection.close()


def write_report(path: Path, report: LeaseReport) -> None:
    """Write the report into the file, which is complete at any moment. Raises OSError."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(to_json(report), encoding="utf-8")
    part.replace(path)


def to_json(report: LeaseReport) -> str:
    """Compact JSON with camelCase names and without fields that are None; a loss that is not finite becomes null."""
    return report.model_dump_json(by_alias=True, exclude_none=True)


def _connect() -> http.client.HTTPSConnection:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
    context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)
