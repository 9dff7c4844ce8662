"""The placement timeout: an attempt that gets only some of its nodes gives them back, so that two trainings cannot deadlock."""

from datetime import datetime

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import PodView
from lwm_operator.plan.reasons import LifecycleReason, PendingReason
from lwm_operator.plan.timestamps import seconds_since


def unscheduled_pods(pods: tuple[PodView, ...]) -> list[PodView]:
    """The pods for which the scheduler finds no node."""
    return [
        pod
        for pod in pods
        if pod.node is None and pod.live and pod.waiting is not None and pod.waiting.reason == PendingReason.UNSCHEDULABLE
    ]


def unscheduled_seconds(pods: tuple[PodView, ...], now: datetime) -> float:
    """For how long the longest of them has waited; 0 when all pods have a node."""
    return max((seconds_since(pod.waiting.since, now) for pod in unscheduled_pods(pods) if pod.waiting is not None), default=0.0)


def is_partially_placed(pods: tuple[PodView, ...]) -> bool:
    """Whether some pods have a node while others find none."""
    return any(pod.node is not None and pod.live for pod in pods) and bool(unscheduled_pods(pods))


def placement_timed_out(pods: tuple[PodView, ...], timeout_seconds: int, now: datetime) -> RootCause | None:
    """The cause for giving the nodes back, once a partial placement has lasted for longer than the timeout."""
    if not is_partially_placed(pods) or unscheduled_seconds(pods, now) < timeout_seconds:
        return None
    unscheduled = unscheduled_pods(pods)
    message = f"{len(unscheduled)} of {len(pods)} pods found no node for {timeout_seconds} s while the others held theirs"
    if unscheduled[0].waiting is not None:
        message += f": {unscheduled[0].waiting.message}"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.PLACEMENT_TIMEOUT, message=message[:MAX_MESSAGE_LENGTH])
