"""The start-up timeout: an attempt whose pods all have nodes must report its first step in time, whatever its hosts do instead."""

from datetime import datetime

from lwm_operator.api.attempt_status import Attempt, FailureClass, RootCause
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import PodState, PodView
from lwm_operator.plan.pending.kubelet_reasons import classify_waiting
from lwm_operator.plan.reasons import LifecycleReason
from lwm_operator.plan.timestamps import elapsed
from lwm_trainer.config import Progress

SHOWN = 3
"""Most hosts that the message names."""
MAX_HOST_LENGTH = 240


def startup_remaining(attempt: Attempt, timeout_seconds: int, now: datetime) -> float | None:
    """Seconds until the attempt must have reported a step; None when not all pods have nodes, or a step was reported."""
    if attempt.placement is None or attempt.placement.complete_since is None:
        return None
    return timeout_seconds - elapsed(attempt.placement.complete_since, now)


def startup_timed_out(
    attempt: Attempt, pods: tuple[PodView, ...], report: Progress | None, timeout_seconds: int, now: datetime
) -> RootCause | None:
    """The cause of the end of an attempt that has had all its nodes for the timeout and has reported no step.

    When a single host does not run, its node is blamed: its peers run with the same image and volumes.
    """
    remaining = startup_remaining(attempt, timeout_seconds, now)
    if remaining is None or remaining > 0:
        return None
    waiting = sorted((pod for pod in pods if pod.state == PodState.PENDING), key=lambda pod: pod.index)
    message = f"no step within {timeout_seconds} s (execution.startupTimeoutSeconds) after all pods had nodes: "
    message += _describe_waiting(waiting) if waiting else _describe_running(report)
    suspect = waiting[0] if len(waiting) == 1 and len(pods) > 1 else None
    return RootCause(
        failure_class=FailureClass.INFRA,
        reason=LifecycleReason.STARTUP_TIMEOUT,
        message=message[:MAX_MESSAGE_LENGTH],
        host=suspect.index if suspect is not None else None,
        node=suspect.node if suspect is not None else None,
    )


def _describe_waiting(pods: list[PodView]) -> str:
    """Which hosts do not run, and what their kubelets say."""
    more = [f"and {len(pods) - SHOWN} more hosts"] if len(pods) > SHOWN else []
    return "; ".join([*(_describe_host(pod) for pod in pods[:SHOWN]), *more])


def _describe_host(pod: PodView) -> str:
    reason, message = classify_waiting(pod.waiting, bound=pod.node is not None)
    return f"host {pod.index} ({pod.name} on node {pod.node}): {reason}: {message}"[:MAX_HOST_LENGTH]


def _describe_running(report: Progress | None) -> str:
    if report is None:
        return "all hosts run, and host 0 has reported nothing"
    return f"all hosts run, and host 0 reports phase {report.phase.value}"
