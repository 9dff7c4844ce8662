"""Records since when an attempt's pods have nodes or have none: timers start at times that the operator wrote by its own clock.

The pods' conditions tell who has a node, but not since when: schedulers and kubelets write them by other clocks, and each pod by itself.
"""

from datetime import datetime

from lwm_operator.api.attempt_status import Attempt, Placement
from lwm_operator.plan.observed import PodView
from lwm_operator.plan.reasons import LifecycleReason, PendingReason
from lwm_operator.plan.timestamps import seconds_since, since


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
    before = attempt.placement or Placement()
    is_placed = placed_hosts(pods) >= hosts > 0
    is_searching = not is_placed and (before.unplaced_since is not None or bool(unscheduled_pods(pods)))
    placement = Placement(
        unplaced_since=since(before.unplaced_since, now) if is_searching and not queued else None,
        searched_seconds=before.searched_seconds if not is_placed else None,
        partial_since=since(before.partial_since, now) if is_partially_placed(pods, hosts) and not queued else None,
        complete_since=since(before.complete_since, now) if is_placed and not queued else None,
    )
    return attempt.model_copy(update={"placement": placement if placement != Placement() else None})


def search_seconds(placement: Placement | None, now: datetime) -> float | None:
    """For how long this attempt, and those before it that released their nodes, have found no node for a pod; None when none is missing."""
    if placement is None or placement.unplaced_since is None:
        return None
    return (placement.searched_seconds or 0) + max(seconds_since(placement.unplaced_since, now), 0.0)


def handed_over_placement(attempt: Attempt, now: datetime) -> Placement | None:
    """What an attempt that ends leaves to the next one: after a placement timeout the same search for nodes goes on."""
    cause, seconds = attempt.root_cause, search_seconds(attempt.placement, now)
    if seconds is None or cause is None or cause.reason != LifecycleReason.PLACEMENT_TIMEOUT:
        return None
    return Placement(searched_seconds=int(seconds))
