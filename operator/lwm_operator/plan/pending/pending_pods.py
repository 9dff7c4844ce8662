"""Why pods do not run yet: one reason and one line, which quotes the component that is blocking."""

from collections import defaultdict
from dataclasses import dataclass

from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.pending.kubelet_reasons import classify_refusal, classify_waiting
from lwm_operator.plan.reasons import LifecycleReason, PendingReason

RECHECKED = frozenset[str](
    {
        PendingReason.QUEUED,
        PendingReason.MISSING_ACCOUNT,
        PendingReason.QUOTA_EXCEEDED,
        PendingReason.RESOURCES_MISSING,
        PendingReason.LIMIT_RANGE,
        PendingReason.POD_SECURITY,
        PendingReason.PODS_REJECTED,
        PendingReason.NODE_NOT_READY,
        PendingReason.FAILED_MOUNT,
        PendingReason.FAILED_POD_SANDBOX,
        PendingReason.PODS_MISSING,
        PendingReason.SCHEDULING,
        PendingReason.PULLING,
        PendingReason.CONTAINER_CREATING,
    }
)
"""Reasons that change through Events, nodes or time, none of which triggers a reconcile: check again after some seconds."""

PROGRESSING = (PendingReason.PULLING, PendingReason.CONTAINER_CREATING, PendingReason.SCHEDULING)
BLOCKED = frozenset[str](
    {*(reason for reason in PendingReason if reason not in PROGRESSING), LifecycleReason.WAITING_FOR_PODS, LifecycleReason.CREATE_FAILED}
)
"""Reasons with which nothing progresses until somebody acts."""

SHOWN = 3
"""Most causes in one line."""
FIRST_LETTERS, LATER_LETTERS = 520, 110
"""Most characters of the most serious cause, and of each other one: the line stays below 900 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCause:
    """What blocks some of the pods. `since` is empty when it is unknown."""

    reason: PendingReason
    count: int
    since: str
    message: str
    verb: str = ""


def explain_pending(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> tuple[str, str] | None:
    """The most serious reason, and a line with up to three causes, each with its count and time; None when all pods run."""
    severity = list(PendingReason)
    causes = sorted(_pending_causes(job, pods, hosts), key=lambda cause: (severity.index(cause.reason), -cause.count, cause.message))
    if not causes:
        return None
    parts = [_describe(cause, hosts, FIRST_LETTERS if number == 0 else LATER_LETTERS) for number, cause in enumerate(causes[:SHOWN])]
    named = [parts[0], *(f"{cause.reason}: {part}" for cause, part in zip(causes[1:], parts[1:], strict=False))]
    more = [f"and {len(causes) - SHOWN} more"] if len(causes) > SHOWN else []
    return str(causes[0].reason), "; ".join([*named, *more])


def _pending_causes(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> list[PendingCause]:
    """Pods that wait for the same reason are one cause; pods that do not exist are another one."""
    waiting_since: dict[tuple[PendingReason, str], list[str]] = defaultdict(list)
    for pod in pods:
        if pod.state == PodState.PENDING or (pod.live and pod.waiting is not None):
            since = pod.waiting.since if pod.waiting is not None else ""
            waiting_since[classify_waiting(pod.waiting, bound=pod.node is not None)].append(since)
    causes = [
        PendingCause(reason=reason, count=len(times), since=min(filter(None, times), default=""), message=message)
        for (reason, message), times in waiting_since.items()
    ]
    missing = hosts - sum(1 for pod in pods if pod.live or pod.state == PodState.SUCCEEDED)
    if missing > 0:
        reason, message = classify_refusal(job.message if job is not None else "")
        causes.append(
            PendingCause(reason=reason, count=missing, since=job.since if job is not None else "", message=message, verb=" missing")
        )
    return causes


def _describe(cause: PendingCause, hosts: int, letters: int) -> str:
    since = f" since {cause.since}" if cause.since else ""
    message = f": {cause.message}" if cause.message else ""
    message = f"{message[: letters - 1]}…" if len(message) > letters else message
    return f"{cause.count} of {hosts} pods{cause.verb}{since}{message}"
