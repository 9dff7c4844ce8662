"""The end of an attempt: survivors leave or are made to, the cause is looked at until then, and what it was is written down."""

from dataclasses import dataclass

from lwm_operator.api.status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.actions import DeletePod
from lwm_operator.plan.attempt.queueing import EVICTED
from lwm_operator.plan.attempt.root_cause import HOST_LOST, NODE_NOT_READY, better, endings, root_cause
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.retry_backoff import PLACEMENT_TIMEOUT
from lwm_operator.plan.observed import PodState, PodView
from lwm_operator.plan.timestamps import elapsed, seconds_since, stamp
from lwm_trainer.config import FinalReport

LEAVE_SECONDS = 10.0
"""Survivors of a lost host get this long to write their last words."""
SHORT_LEAVE_SECONDS = 1.5
"""When the cause is known: a survivor that has not noticed by then waits in a collective, and has nothing to tell."""

DELETE_GRACE_SECONDS = 1
OVERDUE_LOOK_SECONDS = 3.0
"""While pods are being deleted: their nodes may turn out to be lost."""

NO_ROOM = "NoRoomWithoutAvoided"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptObservation:
    """An attempt as it is now, what to do about its pods, and the final checkpoint when it is complete."""

    attempt: Attempt
    final: FinalReport | None = None
    actions: tuple[DeletePod, ...] = ()
    wait_seconds: float | None = None


def ended(attempt: Attempt, state: AttemptState, here: PlanContext) -> Attempt:
    finished = attempt.finished_at or stamp(here.now)
    return attempt.model_copy(update={"state": state, "finished_at": finished, "silence": None})


def stop(attempt: Attempt, here: PlanContext) -> AttemptObservation:
    """Survivors leave by themselves or are deleted; the cause is looked at again until then, because last words come late.

    A pod that somebody else takes away has its grace: the gang saves together, and the time for leaving begins when that is over.
    """
    grace = _grace(here)
    attempt = attempt.model_copy(update={"finished_at": None if grace > 0 else attempt.finished_at or stamp(here.now)})
    waited = 0.0 if grace > 0 else elapsed(attempt.finished_at, here.now)
    failed = [pod for pod in here.pods if pod.state == PodState.FAILED]
    leave = _leave(attempt.root_cause)
    if _ours(attempt.root_cause):
        newer = root_cause(here.pods, here.job, here.observed.lost_nodes)
        # Once survivors are being deleted, they look like a cause: then only the node's own fate is news.
        if (failed and waited < leave) or newer.reason == NODE_NOT_READY:
            step = max([attempt.step, *(pod.words.step for pod in failed if pod.words is not None)])
            said = {"root_cause": better(attempt.root_cause, newer), "step": step, "endings": endings(here.pods) or None}
            attempt = attempt.model_copy(update=said)
            leave = _leave(attempt.root_cause)
    survivors = here.survivors
    if not survivors:
        return AttemptObservation(attempt=ended(attempt, AttemptState.FAILED, here))
    if _evicted(attempt.root_cause) and (words := told(survivors)):
        # The Job's controller does the same, but it may be late: then they would be ended without a save.
        return AttemptObservation(attempt=attempt, actions=words, wait_seconds=OVERDUE_LOOK_SECONDS)
    if grace > 0:
        return AttemptObservation(attempt=attempt, wait_seconds=grace)
    if waited < leave:
        return AttemptObservation(attempt=attempt, wait_seconds=leave - waited)
    return AttemptObservation(attempt=attempt, actions=evict(survivors), wait_seconds=OVERDUE_LOOK_SECONDS)


def _grace(here: PlanContext) -> float:
    """Seconds that are left to pods which somebody else is taking away; 0 when there are none."""
    taken = [pod for pod in here.survivors if pod.deleting and pod.grace_seconds > DELETE_GRACE_SECONDS and pod.gone_by is not None]
    return max((-seconds_since(pod.gone_by, here.now) for pod in taken), default=0.0)


def _leave(cause: RootCause | None) -> float:
    """How long survivors have to leave by themselves: not at all when we decided the end, for then nobody has anything to tell."""
    if cause is not None and not _ours(cause):
        return 0.0
    vague = cause is None or cause.reason == HOST_LOST or cause.failure_class == FailureClass.DISRUPTION
    return LEAVE_SECONDS if vague else SHORT_LEAVE_SECONDS


def _ours(cause: RootCause | None) -> bool:
    """Whether the cause was read from the pods, and may be read again: what the operator itself decided stands."""
    decided = ("Hang", "LeaseSilent", "Superseded", PLACEMENT_TIMEOUT, NO_ROOM)
    return cause is None or cause.reason not in decided or cause.pod is not None


def _evicted(cause: RootCause | None) -> bool:
    return cause is not None and cause.reason == EVICTED


def told(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """They save and leave, with all the grace they have."""
    return tuple(DeletePod(name=pod.name, uid=pod.uid, grace_seconds=None) for pod in pods if not pod.deleting)


def evict(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete those that are not already being deleted as fast."""
    return tuple(
        DeletePod(name=pod.name, uid=pod.uid, grace_seconds=DELETE_GRACE_SECONDS)
        for pod in pods
        if not pod.deleting or pod.grace_seconds > DELETE_GRACE_SECONDS
    )
