"""Builders for trainings, statuses and children, with defaults for all that a test does not care about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Status
from lwm_operator.api.training import Training, parse_training
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.observed import JobView, Observed, PodState, PodView
from lwm_trainer.config import FinalReport, Phase, Progress

UID = "1a2b3c4d-0000-0000-0000-000000000000"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def stage(name: str = "ctx512", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "contextLength": 512,
        "batchTokens": 4096,
        "steps": 60,
        "mesh": {"dp": 2, "fsdp": 2, "tp": 1, "sp": 2},
        **changes,
    }


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "model": {"layers": 4, "width": 128, "heads": 2, "kvHeads": 2, "headDim": 64, "mlpWidth": 512, "vocabSize": 2048},
        "tokenizer": {"uri": "gs://lwm/tokenizer/tokenizer.json"},
        "datasets": [{"name": "books", "source": {"uri": "gs://lwm/books"}}],
        "checkpoint": {"uri": "gs://lwm/runs", "endpoint": "http://fake-gcs.lwm-storage.svc:4443", "saveIntervalSteps": 10},
        "accelerator": {"type": "cpu", "cpu": {"hosts": 2, "devicesPerHost": 4}},
        "stages": [stage()],
        **changes,
    }


def body(name: str = "bible", **changes: Any) -> dict[str, Any]:
    """Return an LWMTraining as the API server returns it, with `changes` to its spec."""
    return {
        "apiVersion": "lwm.dev/v1alpha1",
        "kind": "LWMTraining",
        "metadata": {"name": name, "namespace": "default", "uid": UID, "generation": 1, "resourceVersion": "7"},
        "spec": spec(**changes),
    }


def training(status: Status | None = None, generation: int = 1, **changes: Any) -> Training:
    parsed = parse_training(body(**changes))
    metadata = parsed.metadata.model_copy(update={"generation": generation})
    return parsed.model_copy(update={"metadata": metadata, "status": status or Status()})


def running(number: int = 1, state: AttemptState = AttemptState.RUNNING, **changes: Any) -> Attempt:
    return Attempt(number=number, state=state, job_uid=f"job-1-{number}", **changes)


def status(*attempts: Attempt, name: str = "ctx512", **changes: Any) -> Status:
    """Return a status with one begun stage that has these attempts, newest first."""
    entry = StageStatus(
        name=name,
        state=StageState.RUNNING,
        attempts=attempts[0].number if attempts else 0,
        recent_attempts=attempts,
        started_at="2026-01-01T11:00:00Z",
    )
    return Status(observed_generation=1, current_stage=1, stages=(entry.model_copy(update=changes),))


def job(stage: int = 1, attempt: int = 1, **changes: Any) -> JobView:
    return JobView(**{"name": f"bible-s{stage}-a{attempt}", "uid": f"job-{stage}-{attempt}", "stage": stage, "attempt": attempt, **changes})


def pod(index: int = 0, stage: int = 1, attempt: int = 1, state: PodState = PodState.RUNNING, **changes: Any) -> PodView:
    name = f"bible-s{stage}-a{attempt}-{index}"
    return PodView(
        **{
            "name": name,
            "uid": name,
            "stage": stage,
            "attempt": attempt,
            "index": index,
            "state": state,
            "node": f"node{index + 1}",
            **changes,
        }
    )


def situation(attempt: Attempt, observed: Observed, seconds: float = 0, **changes: Any) -> PlanContext:
    """Return the context of the first stage with this newest attempt, `seconds` after NOW, with `changes` to the spec."""
    current = training(status(attempt), **changes)
    entry = current.status.stages[0].model_copy(update={"total_steps": current.spec.stages[0].total_steps})
    return PlanContext(training=current, entries=(entry,), index=0, observed=observed, now=later(seconds), spec_errors=(), node_faults=())


def cause(failure_class: FailureClass = FailureClass.INFRA, reason: str = "Killed", **changes: Any) -> RootCause:
    return RootCause(failure_class=failure_class, reason=reason, **changes)


def failed(number: int = 1, start: int = 0, committed: int = 0, why: RootCause | None = None, **changes: Any) -> Attempt:
    return Attempt(
        number=number, state=AttemptState.FAILED, from_step=start, committed_step=committed, root_cause=why or cause(), **changes
    )


def report(attempt: int = 1, phase: Phase = Phase.TRAINING, **changes: Any) -> Progress:
    return Progress(**{"attempt": attempt, "phase": phase, "phase_deadline_seconds": 300, "steps": 60, **changes})


def final(step: int = 60, stage: int = 1, attempt: int = 1) -> FinalReport:
    return FinalReport(
        checkpoint=f"gs://lwm/runs/s{stage}/a{attempt}/{step}", step=step, state_hash=f"state{stage}", record_hash=f"record{stage}"
    )


def seen(
    *children: JobView | PodView,
    reports: dict[tuple[int, int], Progress] | None = None,
    lost: tuple[str, ...] = (),
    renewed: str | None = None,
) -> Observed:
    """Return these children as observed; `renewed` is the renewal of the Lease of the first stage's first attempt."""
    return Observed(
        jobs=tuple(child for child in children if isinstance(child, JobView)),
        pods=tuple(child for child in children if isinstance(child, PodView)),
        reports=reports or {},
        lost_nodes=dict.fromkeys(lost, "NodeNotReady"),
        renewed={} if renewed is None else {(1, 1): renewed},
    )
