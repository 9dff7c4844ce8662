"""An attempt that holds some nodes and finds no more gives them back: two trainings must not keep half a cluster each, for ever."""

from datetime import datetime

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.failure.retry_backoff import PLACEMENT_TIMEOUT
from lwm_operator.plan.observed import PodView
from lwm_operator.plan.timestamps import seconds_since

UNSCHEDULABLE = "Unschedulable"


def unscheduled_pods(pods: tuple[PodView, ...]) -> list[PodView]:
    """The pods for which the scheduler finds no node."""
    return [pod for pod in pods if pod.node is None and pod.live and pod.waiting is not None and pod.waiting.reason == UNSCHEDULABLE]


def unscheduled_seconds(pods: tuple[PodView, ...], now: datetime) -> float:
    """For how many seconds the longest of them has waited; 0 when all have a node."""
    return max((seconds_since(pod.waiting.since, now) for pod in unscheduled_pods(pods) if pod.waiting is not None), default=0.0)


def is_partially_placed(pods: tuple[PodView, ...]) -> bool:
    """Some have a node and others find none."""
    return any(pod.node is not None and pod.live for pod in pods) and bool(unscheduled_pods(pods))


def placement_timed_out(pods: tuple[PodView, ...], timeout_seconds: int, now: datetime) -> RootCause | None:
    """The cause of the release, once it has lasted for longer than the timeout."""
    if not is_partially_placed(pods) or unscheduled_seconds(pods, now) < timeout_seconds:
        return None
    without = unscheduled_pods(pods)
    said = f"{len(without)} of {len(pods)} pods found no node for {timeout_seconds} s while the others held theirs"
    if without[0].waiting is not None:
        said += f": {without[0].waiting.message}"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=PLACEMENT_TIMEOUT, message=said[:1000])
