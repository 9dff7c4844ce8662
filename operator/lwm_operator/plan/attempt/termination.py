"""The end of an attempt: its survivors exit or are deleted, and its root cause is refined until they are gone."""

from dataclasses import dataclass

from lwm_operator.api.attempt_status import Attempt, AttemptState, FailureClass, RootCause
from lwm_operator.plan.actions import DeletePod
from lwm_operator.plan.attempt.placement import handed_over_placement
from lwm_operator.plan.attempt.root_cause import describe_endings, more_specific_cause, root_cause
from lwm_operator.plan.context import PlanContext
from lwm_operator.plan.observed import PodState, PodView
from lwm_operator.plan.reasons import KubernetesReason, LifecycleReason, PendingReason, TrainerReason
from lwm_operator.plan.timestamps import elapsed, seconds_since, stamp
from lwm_trainer.config import FinalReport

EXIT_SECONDS = 10.0
"""Survivors of a lost host have this long to exit and to write their termination messages."""
SHORT_EXIT_SECONDS = 1.5
"""The same when the cause is known: a survivor that has not exited by then is blocked in a collective and has nothing to report."""

DELETE_GRACE_SECONDS = 1
DELETION_RECHECK_SECONDS = 3.0
"""While pods are being deleted, their nodes may turn out to be lost."""

NODE_LOSSES = frozenset[str]({PendingReason.NODE_NOT_READY, KubernetesReason.NODE_GONE, KubernetesReason.NODE_RECLAIMED})

OPERATOR_DECISIONS = frozenset[str](
    {
        TrainerReason.HANG,
        TrainerReason.LEASE_NOT_RENEWED,
        LifecycleReason.SUPERSEDED,
        LifecycleReason.PLACEMENT_TIMEOUT,
        LifecycleReason.STARTUP_TIMEOUT,
        LifecycleReason.AVOIDED_NODES_NEEDED,
    }
)
"""Causes without a pod that the operator itself decided on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptObservation:
    """The attempt as it is now, the pods to delete, and the final checkpoint when it is complete."""

    attempt: Attempt
    final: FinalReport | None = None
    actions: tuple[DeletePod, ...] = ()
    wait_seconds: float | None = None


def finish_attempt(attempt: Attempt, state: AttemptState, ctx: PlanContext) -> Attempt:
    """The attempt in its last state. Of its placement only what the next attempt takes over is kept."""
    finished_at = attempt.finished_at or stamp(ctx.now)
    return attempt.model_copy(
        update={"state": state, "finished_at": finished_at, "stale_lease": None, "placement": handed_over_placement(attempt, ctx.now)}
    )


def terminate(attempt: Attempt, ctx: PlanContext) -> AttemptObservation:
    """Wait until the survivors exit, then delete them. The root cause is refined until then, because termination messages arrive late.

    Pods that somebody else deletes keep their grace period: the gang saves together, and the time to exit starts after that.
    """
    grace = _remaining_grace(ctx)
    attempt = attempt.model_copy(update={"finished_at": None if grace > 0 else attempt.finished_at or stamp(ctx.now)})
    waited = 0.0 if grace > 0 else elapsed(attempt.finished_at, ctx.now)
    failed = [pod for pod in ctx.pods if pod.state == PodState.FAILED]
    exit_seconds = _exit_seconds(attempt.root_cause)
    if _is_from_pods(attempt.root_cause):
        cause = root_cause(ctx.pods, ctx.job, ctx.observed.lost_nodes)
        # Survivors that are being deleted look like a cause; by then only a lost node is news.
        if (failed and waited < exit_seconds) or cause.reason in NODE_LOSSES:
            step = max([attempt.step, *(pod.termination_message.step for pod in failed if pod.termination_message is not None)])
            attempt = attempt.model_copy(
                update={
                    "root_cause": more_specific_cause(attempt.root_cause, cause),
                    "step": step,
                    "host_exits": describe_endings(ctx.pods) or None,
                }
            )
            exit_seconds = _exit_seconds(attempt.root_cause)
    survivors = ctx.survivors
    if not survivors:
        return AttemptObservation(attempt=finish_attempt(attempt, AttemptState.FAILED, ctx))
    if _is_queue_eviction(attempt.root_cause) and (deletions := graceful_delete(survivors)):
        # The Job controller deletes them too, but possibly too late for them to save.
        return AttemptObservation(attempt=attempt, actions=deletions, wait_seconds=DELETION_RECHECK_SECONDS)
    if grace > 0:
        return AttemptObservation(attempt=attempt, wait_seconds=grace)
    if waited < exit_seconds:
        return AttemptObservation(attempt=attempt, wait_seconds=exit_seconds - waited)
    return AttemptObservation(attempt=attempt, actions=fast_delete(survivors), wait_seconds=DELETION_RECHECK_SECONDS)


def _remaining_grace(ctx: PlanContext) -> float:
    """Seconds that are left to pods that somebody else deletes; 0 when there are none."""
    deleting = [
        pod for pod in ctx.survivors if pod.deleting and pod.grace_seconds > DELETE_GRACE_SECONDS and pod.deletion_deadline is not None
    ]
    # Never more than the grace period itself, as after the clock was set back.
    return max((min(-seconds_since(pod.deletion_deadline, ctx.now), pod.grace_seconds) for pod in deleting), default=0.0)


def _exit_seconds(cause: RootCause | None) -> float:
    """How long survivors may take to exit: no time at all when the operator decided the end, for then no pod has anything to report."""
    if cause is not None and not _is_from_pods(cause):
        return 0.0
    is_vague = cause is None or cause.reason == TrainerReason.HOST_LOST or cause.failure_class == FailureClass.DISRUPTION
    return EXIT_SECONDS if is_vague else SHORT_EXIT_SECONDS


def _is_from_pods(cause: RootCause | None) -> bool:
    """Whether the cause was read from the pods, so that it may be read again. What the operator itself decided stands."""
    return cause is None or cause.reason not in OPERATOR_DECISIONS or cause.pod is not None


def _is_queue_eviction(cause: RootCause | None) -> bool:
    return cause is not None and cause.reason == LifecycleReason.EVICTED_BY_QUEUE


def graceful_delete(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete the pods with their full grace period, so that they save and exit."""
    return tuple(DeletePod(name=pod.name, uid=pod.uid, grace_seconds=None) for pod in pods if not pod.deleting)


def fast_delete(pods: list[PodView]) -> tuple[DeletePod, ...]:
    """Delete the pods with a grace period of one second, except those that already have no more than that."""
    return tuple(
        DeletePod(name=pod.name, uid=pod.uid, grace_seconds=DELETE_GRACE_SECONDS)
        for pod in pods
        if not pod.deleting or pod.grace_seconds > DELETE_GRACE_SECONDS
    )
