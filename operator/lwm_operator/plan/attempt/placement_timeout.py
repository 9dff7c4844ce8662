"""The placement timeout: an attempt that gets only some of its nodes gives them back, so that two trainings cannot deadlock."""

from datetime import datetime

from lwm_operator.api.attempt_status import Attempt, FailureClass, RootCause
from lwm_operator.plan.attempt.placement import placed_hosts, unscheduled_pods
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import JobView, PodView
from lwm_operator.plan.reasons import LifecycleReason
from lwm_operator.plan.timestamps import elapsed


def placement_remaining(attempt: Attempt, timeout_seconds: int, now: datetime) -> float | None:
    """Seconds until a partly placed attempt gives its nodes back; None when it is not partly placed."""
    if attempt.placement is None or attempt.placement.partial_since is None:
        return None
    return timeout_seconds - elapsed(attempt.placement.partial_since, now)


def placement_timed_out(
    attempt: Attempt, job: JobView | None, pods: tuple[PodView, ...], hosts: int, timeout_seconds: int, now: datetime
) -> RootCause | None:
    """The cause for giving the nodes back, once some pods have held nodes for the timeout while others had none."""
    remaining = placement_remaining(attempt, timeout_seconds, now)
    if remaining is None or remaining > 0:
        return None
    message = f"{hosts - placed_hosts(pods)} of {hosts} pods found no node for {timeout_seconds} s while the others held theirs"
    unscheduled = unscheduled_pods(pods)
    explanation = unscheduled[0].waiting.message if unscheduled and unscheduled[0].waiting is not None else job.message if job else ""
    message += f": {explanation}" if explanation else ""
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.PLACEMENT_TIMEOUT, message=message[:MAX_MESSAGE_LENGTH])
