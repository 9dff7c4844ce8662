"""How a trainer says how it goes: process 0's Lease while it runs, the termination message when it ends."""

import http.client
import json
import os
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lwm_trainer.config import (
    PROCESS_INDEX_VARIABLE,
    PROGRESS_ANNOTATION,
    PROGRESS_SECONDS,
    TERMINATION_PATH,
    FinalReport,
    Lease,
    Preparation,
    Progress,
    RunConfig,
    TerminationMessage,
)
from lwm_trainer.runtime import console
from lwm_trainer.runtime.phase_tracker import PhaseTracker
from lwm_trainer.runtime.step_report import StepReport

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
Report = Progress | Preparation
_TIMEOUT_SECONDS = 5.0
_LOG_SECONDS = 60.0
_TERMINATION_BYTES = 4096  # more is cut by the kubelet, which would tear the JSON


class Renewer:
    """Keeps a Lease fresh from a thread of its own: each `seconds`, and at once when it is woken.

    A report that fails is dropped, counted in `failures` and logged at most once a minute: nobody waits for it. Without a lease, and in
    any process but 0, nothing is sent. Its methods may be called from any thread.
    """

    def __init__(self, lease: Lease | None, holder: str, report: Callable[[], Report], *, seconds: float = PROGRESS_SECONDS) -> None:
        self.failures = 0
        self._holder, self._report, self._seconds = holder, report, seconds
        self._wake = threading.Event()
        self._closed = False
        self._logged: float | None = None
        self._thread: threading.Thread | None = None
        if lease is not None and os.environ.get(PROCESS_INDEX_VARIABLE, "0") == "0":
            self._thread = threading.Thread(target=self._run, args=(lease,), name="progress", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """What is to be reported is urgent."""
        self._wake.set()

    def close(self) -> None:
        """Sends the latest report once more and ends the thread; waits a few seconds for it at most."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_SECONDS)

    def _run(self, lease: Lease) -> None:
        while True:
            closing = self._closed
            self._wake.clear()
            try:
                patch_lease(lease, self._holder, self._report())
            except Exception as error:
                self._failed(error)
            if closing:
                return
            if not self._closed:
                self._wake.wait(self._seconds)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        now = time.monotonic()
        if self._logged is None or now - self._logged >= _LOG_SECONDS:
            self._logged = now
            console.warn(f"progress: {self.failures} reports not delivered, latest: {type(error).__name__}: {error}")


class Reporter:
    """What a training reports on its attempt's Lease: each `PROGRESS_SECONDS`, and at once when phase, commit or final change.

    Phase, step and how long nothing has moved are read from `standing` when a report is made; the rest is told by the training thread.
    Its methods may be called from any thread.
    """

    def __init__(self, config: RunConfig, standing: PhaseTracker, *, seconds: float = PROGRESS_SECONDS) -> None:
        self._lock = threading.Lock()
        self._standing = standing
        now = standing.now()
        self._progress = Progress(attempt=config.attempt, phase=now.phase, phase_deadline_seconds=now.deadline_seconds, steps=config.steps)
        self._renewer = Renewer(config.lease, config.gang.address(0).partition(".")[0], lambda: self.progress, seconds=seconds)
        standing.listener = self._renewer.wake

    @property
    def failures(self) -> int:
        """Reports that were not delivered."""
        return self._renewer.failures

    @property
    def progress(self) -> Progress:
        """The report as it is now."""
        now = self._standing.now()
        standing = {
            "phase": now.phase,
            "phase_deadline_seconds": now.deadline_seconds,
            "idle_seconds": int(now.idle_seconds),
            "step": now.done,
        }
        with self._lock:
            return self._progress.model_copy(update=standing)

    def resumed(self, step: int) -> None:
        """The attempt begins at `step`, which is committed."""
        self._change(urgent=True, resumed_from=step, committed_step=step)

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

    def committed(self, step: int) -> None:
        """The checkpoint of `step` is complete."""
        self._change(urgent=True, committed_step=step)

    def final(self, final: FinalReport) -> None:
        """The stage's end is committed."""
        self._change(urgent=True, committed_step=final.step, final=final)

    def close(self) -> None:
        """Sends the latest report once more; waits a few seconds for it at most."""
        self._renewer.close()

    def _change(self, *, urgent: bool, **fields: object) -> None:
        with self._lock:
            self._progress = self._progress.model_copy(update=fields)
        if urgent:
            self._renewer.wake()


def patch_lease(lease: Lease, holder: str, report: Report) -> None:
    """Renews the Lease as `holder` with `report` as annotation. Raises OSError or http.client.HTTPException when it is refused."""
    body = {
        "metadata": {"annotations": {PROGRESS_ANNOTATION: to_json(report)}},
        "spec": {"holderIdentity": holder, "renewTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")},
    }
    token = (SERVICE_ACCOUNT / "token").read_text().strip()  # read anew: the kubelet replaces it
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


def to_json(record: Report | TerminationMessage) -> str:
    """Compact JSON by camelCase names, without what is None; a loss that is not finite becomes null."""
    return record.model_dump_json(by_alias=True, exclude_none=True)


def _connect() -> http.client.HTTPSConnection:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ.get("KUBERNETES_SERVICE_PORT", "443"))
    context = ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt"))
    return http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_SECONDS, context=context)


def write_last_words(words: TerminationMessage) -> None:
    """Writes the termination message, shortened to what Kubernetes keeps. Never raises: the process is leaving anyway."""
    try:
        text = to_json(words)
        # A character takes at most six bytes in JSON, so that no more is cut than must be.
        while (excess := len(text.encode()) - _TERMINATION_BYTES) > 0 and words.message:
            words = words.model_copy(update={"message": words.message[: -(excess // 6 + 1)]})
            text = to_json(words)
        Path(os.environ.get("LWM_TERMINATION_PATH", TERMINATION_PATH)).write_text(text, encoding="utf-8")
    except Exception as error:
        console.warn(f"termination message not written: {error}")
