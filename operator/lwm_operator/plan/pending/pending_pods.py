"""Why do the pods not run yet? One reason and one line, with the words of whoever holds them up."""

from collections import defaultdict
from dataclasses import dataclass

from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.pending.kubelet_reasons import judge, refusal
from lwm_operator.plan.reasons import Between, Held

LOOK_AGAIN = frozenset[str](
    {
        Held.QUEUED,
        Held.MISSING_ACCOUNT,
        Held.QUOTA_EXCEEDED,
        Held.POD_SECURITY,
        Held.PODS_REFUSED,
        Held.NODE_NOT_READY,
        Held.MOUNT,
        Held.SANDBOX,
        Held.PODS_MISSING,
        Held.SCHEDULING,
        Held.PULLING,
        Held.CONTAINER_CREATING,
    }
)
"""Told by Events, by nodes or by the passing of time, none of which wakes us: look again after some seconds."""

ON_THE_WAY = (Held.PULLING, Held.CONTAINER_CREATING, Held.SCHEDULING)
HELD_UP = frozenset[str]({*(each for each in Held if each not in ON_THE_WAY), Between.WAITING_FOR_PODS, Between.CREATE_FAILED})
"""Reasons with which nothing advances until somebody does something."""

SHOWN = 3
"""Causes in one line."""
FIRST_LETTERS, LATER_LETTERS = 520, 110
"""Of the words of the worst cause, and of each other one: the line stays below 900 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """What holds some of the pods up. `since` is empty where nobody knows."""

    reason: Held
    count: int
    since: str
    said: str
    verb: str = ""


def why(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> tuple[str, str] | None:
    """The worst reason, and a line with up to three causes, each with its count and since when; None when all pods run."""
    worst = list(Held)
    causes = sorted(_causes(job, pods, hosts), key=lambda cause: (worst.index(cause.reason), -cause.count, cause.said))
    if not causes:
        return None
    parts = [_part(cause, hosts, FIRST_LETTERS if number == 0 else LATER_LETTERS) for number, cause in enumerate(causes[:SHOWN])]
    named = [parts[0], *(f"{cause.reason}: {part}" for cause, part in zip(causes[1:], parts[1:], strict=False))]
    more = [f"and {len(causes) - SHOWN} more"] if len(causes) > SHOWN else []
    return str(causes[0].reason), "; ".join([*named, *more])


def _causes(job: JobView | None, pods: tuple[PodView, ...], hosts: int) -> list[Cause]:
    """Pods that wait alike are one cause; pods that do not exist are one more."""
    alike: dict[tuple[Held, str], list[str]] = defaultdict(list)
    for pod in pods:
        if pod.state == PodState.PENDING or (pod.live and pod.waiting is not None):
            since = pod.waiting.since if pod.waiting is not None else ""
            alike[judge(pod.waiting, bound=pod.node is not None)].append(since)
    found = [
        Cause(reason=reason, count=len(times), since=min(filter(None, times), default=""), said=said)
        for (reason, said), times in alike.items()
    ]
    missing = hosts - sum(1 for pod in pods if pod.live or pod.state == PodState.SUCCEEDED)
    if missing > 0:
        reason, said = refusal(job.message if job is not None else "")
        found.append(Cause(reason=reason, count=missing, since=job.since if job is not None else "", said=said, verb=" missing"))
    return found


def _part(cause: Cause, hosts: int, letters: int) -> str:
    since = f" since {cause.since}" if cause.since else ""
    said = f": {cause.said}" if cause.said else ""
    said = f"{said[: letters - 1]}…" if len(said) > letters else said
    return f"{cause.count} of {hosts} pods{cause.verb}{since}{said}"
