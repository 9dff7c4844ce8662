"""An attempt that a queue admits: its Job is created suspended, waits, runs once it is unsuspended, and ends when it is suspended again.

Kueue's part is nothing but `spec.suspend` of the Job; whoever else suspends it is treated alike. An attempt has one gang (ADR 3), so what
was evicted goes on as the next attempt, in a new Job at the queue.
"""

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.observed import JobView, PodState, PodView, Waiting
from lwm_operator.plan.reasons import Between, Held
from lwm_trainer.config import Phase, Progress

EVICTED = str(Between.EVICTED_BY_QUEUE)
LIMIT = 1000
"""Of a message in status."""

LOOK_SOON_SECONDS = 5.0
"""A queue that has said nothing yet is about to."""
LOOK_SECONDS = 30.0
"""Nobody wakes us when the queue changes its mind, only when it admits."""


def waits(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job is suspended and nothing of it has ever run: admitted and taken back before that, it stands where it stood."""
    return job is not None and job.suspended and not _begun(job, pods, report)


def evicted(job: JobView | None, pods: tuple[PodView, ...], report: Progress | None = None) -> bool:
    """Whether the Job has run and was suspended then, be it that nobody saw its pods: process 0 has left a word on its Lease."""
    if job is None or not _begun(job, pods, report):
        return False
    return job.suspended or _again(pods, report)


def _begun(job: JobView, pods: tuple[PodView, ...], report: Progress | None) -> bool:
    return any(pod.ran for pod in pods) or bool(job.failed_indexes or job.succeeded) or report is not None


def _again(pods: tuple[PodView, ...], report: Progress | None) -> bool:
    """Whether the Job was admitted a second time before anybody looked. A suspended Job forgets the pods that it has had, and makes them
    anew; no other does, so a pod that has not started yet, where all hosts have met, is of a second gang."""
    return report is not None and report.phase != Phase.RENDEZVOUS and any(pod.state == PodState.PENDING for pod in pods)


def why(job: JobView) -> tuple[str, str, float]:
    """Of a Job that waits: reason, line, and seconds until the queue may say something else."""
    since = f" since {job.since}" if job.since else ""
    if not job.queue:
        return Held.QUEUED, f"its Job is suspended{since}, and by no queue that spec.execution.queueName names: unsuspend it", LOOK_SECONDS
    said = f"waits in queue {job.queue}{since}: "
    if job.queued is None:
        return Held.QUEUED, f"{said}no queue has taken it up yet", LOOK_SOON_SECONDS
    return Held.QUEUED, (said + _words(job.queued))[:LIMIT], LOOK_SECONDS


def ended_before(pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The pods that failed before their Job was suspended: those that the suspension takes away are being deleted, whatever their code."""
    return tuple(pod for pod in pods if pod.state == PodState.FAILED and not pod.deleting)


def eviction(job: JobView) -> RootCause:
    """The cause of the end of an attempt whose Job was suspended."""
    who = f"queue {job.queue} took the nodes back" if job.queue else "the Job was suspended by somebody: spec.suspend is the way to do that"
    said = f"{who}: {_words(job.queued)}" if job.queued is not None and job.queued.reason else who
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=EVICTED, message=said[:LIMIT])


def _words(said: Waiting) -> str:
    return ": ".join(filter(None, (said.reason, " ".join(said.message.split()))))
