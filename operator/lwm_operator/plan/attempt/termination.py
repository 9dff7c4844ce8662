"""The end of an attempt: survivors leave or are made to, the cause is looked at until then, and what it was is written down."""

from dataclasses import dataclass

from lwm_operator.api.status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.actions import DeletePod
from lwm_operator.plan.attempt.queueing import EVICTED
from lwm_operator.plan.attempt.root_cause import HOST_LOST, NODE_NOT_READY, describe_endings, more_specific_cause, root_cause
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.failure.retry_backoff import PLACEMENT_TIMEOUT
from lwm_operator.plan.observed import PodState, PodView
from lwm_operator.plan.timestamps import elapsed, seconds_since, stamp
from lwm_trainer.config import FinalReport

EXIT_SECONDS = 10.0
"""Survivors of a lost host get this long to write their last words."""
SHORT_EXIT_SECONDS = 1.5
"""When the cause is known: a survivor that has not noticed by then waits in a collective, and has nothing to tell."""

DELETE_GRACE_SECONDS = 1
DELETION_RECHECK_SECONDS = 3.0
"""While pods are being deleted: their nodes may turn out to be lost."""

NO_ROOM = "NoRoomWithoutAvoided"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptObservation:
    """An attempt as it is now, what to do about its pods, and the final checkpoint when it is complete."""

    attempt: Attempt
    final: FinalReport | None = None
    actions: tuple[DeletePod, ...] = ()
    wait_seconds: float | None = None


def finish_attempt(attempt: Attempt, state: AttemptState, ctx: PlanContext) -> Attempt:
    finished = attempt.finished_at or stamp(ctx.now)
    return attempt.model_copy(update={"state": state, "finished_at": finished, "stale_lease": None})


def terminate(attempt: Attempt, ctx: PlanContext) -> AttemptObservation:
    """Survivors leave by themselves or are deleted; the cause is looked at again until then, because last words come late.

    A pod that somebody else takes away has its grace: the gang saves together, and the time for leaving begins when that is over.
    """
    grace = _remaining_grace(ctx)
    attempt = attempt.model_copy(update={"finished_at": None if grace > 0 else attempt.finished_at or stamp(ctx.now)})
    waited = 0.0 if grace > 0 else elapsed(attempt.finished_at, ctx.now)
    failed = [pod for pod in ctx.pods if pod.state == PodState.FAILED]
    leave = _exit_seconds(attempt.root_cause)
    if _read_from_pods(attempt.root_cause):
        newer = root_cause(ctx.pods, ctx.job, ctx.observed.lost_nodes)
        # Once survivors are being deleted, they look like a cause: then only the node's own fate is news.
        if (failed and waited < leave) or newer.reason == NODE_NOT_READY:
            step = max([attempt.step, *(pod.termination_message.step for pod in failed if pod.termination_message is not None)])
            said = {
                "root_cause": more_specific_cause(attempt.root_cause, newer),
                "step": step,
                "host_exits": describe_endings(ctx.pods) or None,
            }
            attempt = attempt.model_copy(update=said)
            leave = _exit_seconds(attempt.root_cause)
    survivors = ctx.survivors
    if not survivors:
        return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.FAILED, ctx))
    if _is_queue_eviction(attempt.root_cause) and (words := graceful_delete(survivors)):
        # The Job's controller does the same, but it may be late: then they would be ended without a save.
        return AttemptObservation(attempt=attempt, actions=words, wait_seconds=DELETION_RECHECK_SECONDS)
    if grace > 0:
        return AttemptObservation(attempt=attempt, wait_seconds=grace)
    if waited < leave:
        return AttemptObservation(attempt=attempt, wait_seconds=leave - waited)
    return AttemptObservation(attempt=attempt, actions=fast_delete(survivors), wait_seconds=DELETION_RECHECK_SECONDS)


def _remaining_grace(ctx: PlanContext) -> float:
    """Seconds that are left to pods which somebody else is taking away; 0 when there are none."""
    taken = [pod for pod in ctx.survivors if pod.deleting and pod.grace_seconds > DELETE_GRACE_SECONDS and pod.gone_by is not None]
    return max((-seconds_since(pod.gone_by, ctx.now) for pod in taken), default=0.0)


def _exit_seconds(cause: RootCause | None) -> float:
    """How long survivors have to leave by themselves: not at all when we decided the end, for then nobody has anything to tell."""
    if cause is not None and not _read_from_pods(cause):
        return 0.0
    vague = cause is None or cause.reason == HOST_LOST or cause.failure_class == FailureClass.DISRUPTION
    return EXIT_SECONDS if vague else SHORT_EXIT_SECONDS


def _read_from_pods(cause: RootCause | None) -> bool:
    """Whether the cause was read from the pods, and may be read again: what the operator itself decided stands."""
    decided = ("Hang", "LeaseSilent", "Superseded", PLACEMENT_TIMEOUT, NO_ROOM)
    return cause is None or cause.reason not in decided or cause.pod is not None


def _is_queue_eviction(cause: RootCause | None) -> bool:
    return cause is not None and cause.reason == EVICTED


def graceful_delete(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """They save and leave, with all the grace they have."""
    return tuple(DeletePod(name=pod.name, uid=pod.uid, grace_seconds=None) for pod in pods if not pod.deleting)


def fast_delete(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete those that are not already being deleted as fast."""
    return tuple(
        DeletePod(name=pod.name, uid=pod.uid, grace_seconds=DELETE_GRACE_SECONDS)
        for pod in pods
        if not pod.deleting or pod.grace_seconds > DELETE_GRACE_SECONDS
    )
