"""An attempt that a queue admits: its Job is created suspended, waits, runs once it is unsuspended, and ends when it is suspended again.

Kueue's part is nothing but `spec.suspend` of the Job; whoever else suspends it is treated alike. An attempt has one gang (ADR 3), so what
was evicted goes on as the next attempt, in a new Job at the queue.
"""

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_operator.plan.reasons import LifecycleReason, PendingReason
from lwm_trainer.config import Phase, Progress

EVICTED = str(LifecycleReason.EVICTED_BY_QUEUE)
LIMIT = 1000
"""Of a message in status."""

FIRST_RECHECK_SECONDS = 5.0
"""A queue that has said nothing yet is about to."""
RECHECK_SECONDS = 30.0
"""Nobody wakes us when the queue changes its mind, only when it admits."""


def is_queued(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job is suspended and nothing of it has ever run: admitted and taken back before that, it stands where it stood."""
    return job is not None and job.suspended and not _has_run(job, pods, report)


def is_evicted(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job has run and was suspended then, be it that nobody saw its pods: process 0 has left a word on its Lease."""
    if job is None or not _has_run(job, pods, report):
        return False
    return job.suspended or _is_readmitted(pods, report)


def _has_run(job: JobView, pods: tuple[PodView, ...], report: Progress | None) -> bool:
    return any(pod.ran for pod in pods) or bool(job.failed_indexes or job.succeeded) or report is not None


def _is_readmitted(pods: tuple[PodView, ...], report: Progress | None) -> bool:
    """Whether the Job was admitted a second time before anybody looked. A suspended Job forgets the pods that it has had, and makes them
    anew; no other does, so a pod that has not started yet, where all hosts have met, is of a second gang."""
    return report is not None and report.phase != Phase.RENDEZVOUS and any(pod.state == PodState.PENDING for pod in pods)


def explain_queueing(job: JobView) -> tuple[str, str, float]:
    """Of a Job that waits: reason, line, and seconds until the queue may say something else."""
    since = f" since {job.since}" if job.since else ""
    if not job.queue:
        return (
            PendingReason.QUEUED,
            f"its Job is suspended{since}, and by no queue that spec.execution.queueName names: unsuspend it",
            RECHECK_SECONDS,
        )
    said = f"waits in queue {job.queue}{since}: "
    if job.queued is None:
        return PendingReason.QUEUED, f"{said}no queue has taken it up yet", FIRST_RECHECK_SECONDS
    return PendingReason.QUEUED, (said + _queue_text(job.queued))[:LIMIT], RECHECK_SECONDS


def failed_before_suspension(pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The pods that failed before their Job was suspended: those that the suspension takes away are being deleted, whatever their code."""
    return tuple(pod for pod in pods if pod.state == PodState.FAILED and not pod.deleting)


def eviction_cause(job: JobView) -> RootCause:
    """The cause of the end of an attempt whose Job was suspended."""
    who = f"queue {job.queue} took the nodes back" if job.queue else "the Job was suspended by somebody: spec.suspend is the way to do that"
    said = f"{who}: {_queue_text(job.queued)}" if job.queued is not None and job.queued.reason else who
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=EVICTED, message=said[:LIMIT])


def _queue_text(said: Waiting) -> str:
    return ": ".join(filter(None, (said.reason, " ".join(said.message.split()))))
