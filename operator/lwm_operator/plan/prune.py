"""What is left over: live pods of attempts that status does not name, and Jobs of failed attempts beyond the last two."""

from lwm_operator.api.status import StageStatus
from lwm_operator.plan.attempts import evict
from lwm_operator.plan.observed import Observed
from lwm_operator.plan.result import DeleteAttempt, DeletePod

KEPT_FAILURES = 2


def strays(current: tuple[int, int], observed: Observed) -> tuple[DeletePod, ...]:
    """Pods that run for an attempt other than `current` (stage, attempt): e.g. of a node that came back."""
    return evict([pod for pod in observed.pods if pod.live and (pod.stage, pod.attempt) != current])


def outdated(entries: tuple[StageStatus, ...], observed: Observed) -> tuple[DeleteAttempt, ...]:
    """The newest attempt of each stage stays (it is current, or holds the stage's last words), and so do the last two failed ones."""
    newest = {(number, entry.attempts) for number, entry in enumerate(entries, start=1)}
    failed = sorted((job for job in observed.jobs if (job.stage, job.attempt) not in newest), key=lambda job: (job.stage, job.attempt))
    live = {(pod.stage, pod.attempt) for pod in observed.pods if pod.live}
    return tuple(DeleteAttempt(job=job.name, uid=job.uid) for job in failed[:-KEPT_FAILURES] if (job.stage, job.attempt) not in live)
