"""Records since when an attempt's pods have nodes or have none: timers start at times that the operator wrote by its own clock.

The pods' conditions tell who has a node, but not since when: schedulers and kubelets write them by other clocks, and each pod by itself.
"""

from datetime import datetime

from lwm_operator.api.status import Attempt, Placement
from lwm_operator.plan.observed import PodView
from lwm_operator.plan.reasons import LifecycleReason, PendingReason
from lwm_operator.plan.timestamps import since


def unscheduled_pods(pods: tuple[PodView, ...]) -> list[PodView]:
    """The pods for which the scheduler finds no node."""
    return [
        pod
        for pod in pods
        if pod.node is None and pod.live and pod.waiting is not None and pod.waiting.reason == PendingReason.UNSCHEDULABLE
    ]


def placed_hosts(pods: tuple[PodView, ...]) -> int:
    """How many hosts have a pod with a node."""
    return len({pod.index for pod in pods if pod.node is not None})


def is_partially_placed(pods: tuple[PodView, ...], hosts: int) -> bool:
    """Whether some pods hold nodes while others have none, or do not even exist."""
    return any(pod.node is not None and pod.live for pod in pods) and placed_hosts(pods) < hosts


def track_placement(attempt: Attempt, pods: tuple[PodView, ...], hosts: int, now: datetime, *, queued: bool) -> Attempt:
    """The attempt with its placement as observed. `queued`: its Job waits in a queue, so nobody looks for nodes."""
    if queued:
        return attempt.model_copy(update={"placement": None})
    before = attempt.placement or Placement()
    is_placed = placed_hosts(pods) >= hosts > 0
    is_searching = before.unplaced_since is not None or bool(unscheduled_pods(pods))
    placement = Placement(
        unplaced_since=since(before.unplaced_since, now) if is_searching and not is_placed else None,
        partial_since=since(before.partial_since, now) if is_partially_placed(pods, hosts) else None,
        complete_since=since(before.complete_since, now) if is_placed else None,
    )
    return attempt.model_copy(update={"placement": placement if placement != Placement() else None})


def inherited_placement(attempt: Attempt) -> Placement | None:
    """What the next attempt takes over: after a placement timeout it goes on with the same search for nodes."""
    cause, placement = attempt.root_cause, attempt.placement
    if placement is None or cause is None or cause.reason != LifecycleReason.PLACEMENT_TIMEOUT:
        return None
    return Placement(unplaced_since=placement.unplaced_since)
