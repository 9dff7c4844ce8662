"""Why do the pods not run yet? One reason and one line, with the words of whoever holds them up."""

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
        PendingReason.POD_SECURITY,
        PendingReason.PODS_REFUSED,
        PendingReason.NODE_NOT_READY,
        PendingReason.MOUNT,
        PendingReason.SANDBOX,
        PendingReason.PODS_MISSING,
        PendingReason.SCHEDULING,
        PendingReason.PULLING,
        PendingReason.CONTAINER_CREATING,
    }
)
"""Told by Events, by nodes or by the passing of time, none of which wakes us: look again after some seconds."""

PROGRESSING = (PendingReason.PULLING, PendingReason.CONTAINER_CREATING, PendingReason.SCHEDULING)
BLOCKED = frozenset[str](
    {*(each for each in PendingReason if each not in PROGRESSING), LifecycleReason.WAITING_FOR_PODS, LifecycleReason.CREATE_FAILED}
)
"""Reasons with which nothing advances until somebody does something."""

SHOWN = 3
"""Causes in one line."""
FIRST_LETTERS, LATER_LETTERS = 520, 110
"""Of the words of the worst cause, and of each other one: the line stays below 900 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingCause:
    """What holds some of the pods up. `since` is empty where nobody knows."""

    reason: PendingReason
    count: int
    since: str
    said: str
    verb: str = ""


def explain_pending(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> tuple[str, str] | None:
    """The worst reason, and a line with up to three causes, each with its count and since when; None when all pods run."""
    worst = list(PendingReason)
    causes = sorted(_pending_causes(job, pods, hosts), key=lambda cause: (worst.index(cause.reason), -cause.count, cause.said))
    if not causes:
        return None
    parts = [_describe(cause, hosts, FIRST_LETTERS if number == 0 else LATER_LETTERS) for number, cause in enumerate(causes[:SHOWN])]
    named = [parts[0], *(f"{cause.reason}: {part}" for cause, part in zip(causes[1:], parts[1:], strict=False))]
    more = [f"and {len(causes) - SHOWN} more"] if len(causes) > SHOWN else []
    return str(causes[0].reason), "; ".join([*named, *more])


def _pending_causes(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> list[PendingCause]:
    """Pods that wait alike are one cause; pods that do not exist are one more."""
    alike: dict[tuple[PendingReason, str], list[str]] = defaultdict(list)
    for pod in pods:
        if pod.state == PodState.PENDING or (pod.live and pod.waiting is not None):
            since = pod.waiting.since if pod.waiting is not None else ""
            alike[classify_waiting(pod.waiting, bound=pod.node is not None)].append(since)
    found = [
        PendingCause(reason=reason, count=len(times), since=min(filter(None, times), default=""), said=said)
        for (reason, said), times in alike.items()
    ]
    missing = hosts - sum(1 for pod in pods if pod.live or pod.state == PodState.SUCCEEDED)
    if missing > 0:
        reason, said = classify_refusal(job.message if job is not None else "")
        found.append(PendingCause(reason=reason, count=missing, since=job.since if job is not None else "", said=said, verb=" missing"))
    return found


def _describe(cause: PendingCause, hosts: int, letters: int) -> str:
    since = f" since {cause.since}" if cause.since else ""
    said = f": {cause.said}" if cause.said else ""
    said = f"{said[: letters - 1]}…" if len(said) > letters else said
    return f"{cause.count} of {hosts} pods{cause.verb}{since}{said}"
