"""Attempts that a queue admits: the Job is created suspended, waits, runs once it is unsuspended, and ends when it is suspended again.

All that Kueue does is to set `spec.suspend` of the Job; anybody else who suspends it is treated alike. An attempt has one gang (ADR 3), so
after an eviction the stage continues as the next attempt, with a new Job in the queue.
"""

from lwm_operator.api.attempt_status import FailureClass, RootCause
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_operator.plan.reasons import LifecycleReason, PendingReason, Reason
from lwm_trainer.config import Phase, Progress

FIRST_RECHECK_SECONDS = 5.0
"""While the queue has not reported anything yet."""
RECHECK_SECONDS = 30.0
"""No watch event tells that the queue's message has changed; only an admission does."""


def is_queued(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job is suspended and none of its pods has ever run."""
    return job is not None and job.suspended and not _has_run(job, pods, report)


def is_evicted(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job has run and was suspended then. A report on the Lease counts, even when nobody saw the pods."""
    if job is None or not _has_run(job, pods, report):
        return False
    return job.suspended or _is_readmitted(pods, report)


def _has_run(job: JobView, pods: tuple[PodView, ...], report: Progress | None) -> bool:
    return any(pod.has_run for pod in pods) or bool(job.failed_indexes or job.succeeded) or report is not None


def _is_readmitted(pods: tuple[PodView, ...], report: Progress | None) -> bool:
    """Whether the Job was evicted and admitted again between two reconciles.

    Only a Job that was suspended forgets its pods and creates new ones. So a pending pod, after all hosts have met, belongs to a second
    gang.
    """
    return report is not None and report.phase != Phase.RENDEZVOUS and any(pod.state == PodState.PENDING for pod in pods)


def explain_queueing(job: JobView) -> tuple[Reason, str, float]:
    """Why a queued Job waits: reason, message, and the seconds until the queue may report something else."""
    since = f" since {job.since}" if job.since else ""
    if not job.queue:
        message = f"the Job is suspended{since}, but not by a queue of spec.execution.queueName: unsuspend it"
        return PendingReason.QUEUED, message, RECHECK_SECONDS
    prefix = f"waits in queue {job.queue}{since}: "
    if job.queued is None:
        return PendingReason.QUEUED, f"{prefix}no queue has taken it up yet", FIRST_RECHECK_SECONDS
    return PendingReason.QUEUED, (prefix + _quote(job.queued))[:MAX_MESSAGE_LENGTH], RECHECK_SECONDS


def failed_before_suspension(pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The pods that failed before their Job was suspended. Those that the suspension ends are being deleted, whatever their exit code."""
    return tuple(pod for pod in pods if pod.state == PodState.FAILED and not pod.deleting)


def eviction_cause(job: JobView) -> RootCause:
    """The cause of the end of an attempt whose Job was suspended."""
    message = f"queue {job.queue} took the nodes back" if job.queue else "somebody suspended the Job: use spec.suspend instead"
    if job.queued is not None and job.queued.reason:
        message = f"{message}: {_quote(job.queued)}"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=LifecycleReason.EVICTED_BY_QUEUE, message=message[:MAX_MESSAGE_LENGTH])


def _quote(waiting: Waiting) -> str:
    return ": ".join(filter(None, (waiting.reason, " ".join(waiting.message.split()))))
