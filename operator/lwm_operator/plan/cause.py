"""Why did an attempt end? By precedence, not by time: `finishedAt` has one-second resolution and victims die within milliseconds.

A host that failed for a reason of its own comes before one that was killed, that before one that was evicted or deleted, and victims
of a lost peer count only when nothing else is there.
"""

from lwm_operator.api.status import RootCause
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_trainer.config import PERMANENT_EXIT_CODES, SECONDARY_EXIT_CODES, ExitCode

EVICTIONS = ("Evicted", "Preempting", "NodeLost", "NodeAffinity", "UnexpectedAdmissionError", "Shutdown", "Terminated", "NodeShutdown")
KILLED = (137, 139)
HOST_LOST = "HostLost"
"""All that is left are victims: a host went, and why is not known yet."""

LIMIT = 1000
"""Of a message in status."""


def permanent(cause: RootCause | None) -> bool:
    """Whether another attempt would end the same way."""
    return cause is not None and cause.exit_code in PERMANENT_EXIT_CODES


def better(old: RootCause | None, new: RootCause) -> RootCause:
    """Of two looks at one attempt: the later one knows more, unless all that it has are victims."""
    return old if old is not None and new.reason == HOST_LOST else new


def root_cause(pods: tuple[PodView, ...], job: JobView | None) -> RootCause:
    """The one cause of an attempt's end; always one, be it that the Job is gone."""
    # Once a Job has failed, its controller deletes the survivors: those are victims, whoever deletes them.
    swept = job is None or job.failed
    guilty = [pod for pod in pods if pod.state == PodState.FAILED or (pod.deleting and pod.live and not swept)]
    if guilty:
        first = min(guilty, key=lambda pod: (_rank(pod), pod.index, pod.name))
        return RootCause(reason=_reason(first), message=_message(first)[:LIMIT], exit_code=first.exit_code, pod=first.name, node=first.node)
    if job is None:
        return RootCause(reason="JobDeleted", message="the Job of the attempt is gone: somebody deleted it")
    if job.failed:
        return RootCause(reason="JobFailed", message=(job.message or "the Job failed and its pods are gone")[:LIMIT])
    return RootCause(
        reason="CompletedWithoutCheckpoint",
        message="all hosts left with 0, but none reported the stage's final checkpoint",
        exit_code=int(ExitCode.COMPLETE),
    )


def _rank(pod: PodView) -> int:
    code = pod.exit_code
    if pod.reason == "OOMKilled":
        return 0
    if code in SECONDARY_EXIT_CODES:
        return 6
    if code == ExitCode.SAVED_ON_REQUEST:
        return 4
    if code in KILLED:
        return 2
    if pod.reason in EVICTIONS:
        return 3
    if code is not None:
        return 1
    return 5


def _reason(pod: PodView) -> str:
    if pod.reason == "OOMKilled" or pod.reason in EVICTIONS:
        return pod.reason
    if pod.exit_code is None:
        return "PodDeleted" if pod.deleting else "PodFailed"
    if pod.exit_code in SECONDARY_EXIT_CODES:
        return HOST_LOST
    if pod.exit_code in KILLED:
        return "Killed" if pod.exit_code == 137 else "SegmentationFault"
    try:
        return "".join(part.capitalize() for part in ExitCode(pod.exit_code).name.split("_"))
    except ValueError:
        return f"ExitCode{pod.exit_code}"


def _message(pod: PodView) -> str:
    where = f" on node {pod.node}" if pod.node else ""
    if pod.words is not None and pod.words.message:
        said = pod.words.message
    elif pod.message:
        said = pod.message
    elif pod.exit_code is not None:
        said = f"exit code {pod.exit_code}"
    else:
        said = "it was deleted" if pod.deleting else "it failed without an exit code"
    return f"host {pod.index} ({pod.name}{where}): {said}"
