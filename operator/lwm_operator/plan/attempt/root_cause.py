"""Why did an attempt end? By precedence, not by time: `finishedAt` has one-second resolution and victims die within milliseconds.

A host that failed for a reason of its own comes before one that was killed, that before one that was evicted or deleted, and victims
of a lost peer count only when nothing else is there.
"""

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.attempt.queueing import EVICTED, eviction_cause, failed_before_suspension
from lwm_operator.plan.failure.failure_classes import CLASSES, EVIDENCE
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.reasons import find_reason
from lwm_trainer.config import SECONDARY_EXIT_CODES, ExitCode

LIMIT = 1000
"""Of a message in status."""

HOST_LOST = "HostLost"
"""All that is left are victims: a host went, and why is not known yet."""
NODE_NOT_READY = "NodeNotReady"
POD_DELETED = "PodDeleted"
OUT_OF_MEMORY = "OOMKilled"

ABORTED_AS_FIRST = 139
FORCED = (137, 143)
"""Exit codes of a container that was told to end."""


def root_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: frozenset[str] = frozenset()) -> RootCause:
    """The one cause of an attempt's end; always one, be it that the Job is gone."""
    if job is None or not job.suspended:
        return _pod_cause(pods, job, lost_nodes)
    own = _pod_cause(failed_before_suspension(pods), job, lost_nodes)
    blamed = own.pod is not None and own.failure_class != FailureClass.DISRUPTION and own.reason != HOST_LOST
    return own if blamed else eviction_cause(job)


def _pod_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: frozenset[str]) -> RootCause:
    silent = any(pod.live for pod in pods)
    # Once a Job is gone, garbage collection deletes its pods: those are victims.
    guilty = [
        pod for pod in pods if pod.state == PodState.FAILED or pod.node in lost_nodes or (pod.deleting and pod.live and job is not None)
    ]
    first = min(guilty, key=lambda pod: (_rank(pod, lost_nodes, silent), _hang_step(pod), pod.index, pod.name), default=None)
    if job is not None and (first is None or _rank(first, lost_nodes, silent) > 3) and (gone := _missing_pod_cause(pods, job)) is not None:
        return gone
    if first is None:
        return _job_cause(job)
    failure_class, reason = _classify(first, lost_nodes, silent)
    if reason == HOST_LOST:
        return _lost_host_cause(pods, first)
    return RootCause(
        failure_class=failure_class,
        reason=reason,
        message=_message(first, reason)[:LIMIT],
        exit_code=first.exit_code,
        host=first.index,
        pod=first.name,
        node=first.node,
    )


def _missing_pod_cause(pods: tuple[PodView, ...], job: JobView) -> RootCause | None:
    """A pod that fails by itself stays to be read; where a host counts as failed and its pod is not there, it was deleted or drained."""
    missing = sorted(job.failed_indexes - {pod.index for pod in pods})
    if not missing:
        return None
    said = f"host {missing[0]}: its pod is gone: it was evicted, preempted or deleted"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=POD_DELETED, message=said, host=missing[0])


def more_specific_cause(old: RootCause | None, new: RootCause) -> RootCause:
    """Of two looks at one attempt: the later one knows more, unless all that it has are victims, or a pod that is gone with its reason."""
    if old is None or old.reason == HOST_LOST:
        return new if old is None or new.reason != HOST_LOST else old
    if EVICTED in (old.reason, new.reason):
        return new if old.failure_class == FailureClass.DISRUPTION and old.reason != EVICTED else old
    return old if new.reason in (HOST_LOST, POD_DELETED) else new


def describe_endings(pods: tuple[PodView, ...]) -> str:
    """How every host ended, in one line: the evidence that outlives the pods."""
    said = [
        f"host {pod.index}: {'still running' if pod.live else pod.exit_code if pod.exit_code is not None else pod.reason or 'no exit code'}"
        for pod in sorted(pods, key=lambda pod: (pod.index, pod.name))
    ]
    return ", ".join(said)[:LIMIT]


def _job_cause(job: JobView | None) -> RootCause:
    if job is None:
        said = "the Job of the attempt is gone: somebody deleted it"
        return RootCause(failure_class=FailureClass.DISRUPTION, reason="JobDeleted", message=said)
    if job.failed:
        said = (job.message or "the Job failed and its pods are gone")[:LIMIT]
        return RootCause(failure_class=FailureClass.INFRA, reason="JobFailed", message=said)
    return RootCause(
        failure_class=FailureClass.APP,
        reason="CompletedWithoutCheckpoint",
        message="all hosts left with 0, but none reported the stage's final checkpoint",
        exit_code=int(ExitCode.COMPLETE),
    )


def _lost_host_cause(pods: tuple[PodView, ...], victim: PodView) -> RootCause:
    """Only victims speak. The host that says nothing is the suspect; with none or several of those, no node is blamed."""
    silent = [pod for pod in pods if pod.live]
    said = f"its peers lost it: {_message(victim, HOST_LOST)}"
    if len(silent) == 1:
        suspect = silent[0]
        said = f"host {suspect.index} ({suspect.name}{_on_node(suspect)}) went silent; {said}"
        return RootCause(
            failure_class=FailureClass.INFRA,
            reason=HOST_LOST,
            message=said[:LIMIT],
            host=suspect.index,
            pod=suspect.name,
            node=suspect.node,
        )
    return RootCause(failure_class=FailureClass.INFRA, reason=HOST_LOST, message=f"a host went, {said}"[:LIMIT], exit_code=victim.exit_code)


def _rank(pod: PodView, lost_nodes: frozenset[str], silent: bool) -> int:
    """0 is the most telling."""
    code = pod.exit_code
    if pod.reason == OUT_OF_MEMORY:
        return 0
    if pod.node in lost_nodes and (code is None or code in SECONDARY_EXIT_CODES or code in FORCED):
        return 3
    if pod.reason in EVIDENCE or (pod.deleting and (code is None or code in FORCED)):
        return 3
    if _is_victim(code, silent):
        return 6
    if code == ExitCode.SAVED_ON_REQUEST:
        return 4
    if code in (137, 139):
        return 2
    return 1 if code is not None else 5


def _is_victim(code: int | None, silent: bool) -> bool:
    """Whether this is how a process ends that lost a peer. JAX aborts then; process 1 of a container does not die of SIGABRT, and the
    abort goes on to an instruction that is one segmentation fault: 139, too, is a victim's while another host says nothing."""
    return code in SECONDARY_EXIT_CODES or (code == ABORTED_AS_FIRST and silent)


def _classify(pod: PodView, lost_nodes: frozenset[str], silent: bool) -> tuple[FailureClass, str]:
    """Class and reason of this pod's end."""
    code = pod.exit_code
    if pod.reason == OUT_OF_MEMORY:
        return FailureClass.APP, OUT_OF_MEMORY
    if pod.node in lost_nodes and _rank(pod, lost_nodes, silent) == 3:
        return FailureClass.INFRA, NODE_NOT_READY
    if pod.reason in EVIDENCE:
        return EVIDENCE[pod.reason], pod.reason
    if pod.deleting and (code is None or code in FORCED):
        return FailureClass.DISRUPTION, POD_DELETED
    if code is None:
        return FailureClass.INFRA, "PodFailed"
    if _is_victim(code, silent):
        return FailureClass.INFRA, HOST_LOST
    return CLASSES.get(code, FailureClass.APP), _code_reason(pod, code)


def _code_reason(pod: PodView, code: int) -> str:
    """The trainer's own narrower word for its code, where it is one that we know, else the code's name."""
    if (
        pod.termination_message is not None
        and pod.termination_message.code == code
        and find_reason(pod.termination_message.reason) is not None
    ):
        return pod.termination_message.reason
    if code in (137, 139):
        return "Killed" if code == 137 else "SegmentationFault"
    try:
        return "".join(part.capitalize() for part in ExitCode(code).name.split("_"))
    except ValueError:
        return f"ExitCode{code}"


def _hang_step(pod: PodView) -> int:
    """Of hosts that hang together, the one that is behind is the one that the others wait for."""
    return pod.termination_message.step if pod.exit_code == ExitCode.HANG and pod.termination_message is not None else 0


def _on_node(pod: PodView) -> str:
    return f" on node {pod.node}" if pod.node else ""


def _message(pod: PodView, reason: str) -> str:
    if reason == NODE_NOT_READY:
        said = f"node {pod.node} is not ready"
    elif reason == OUT_OF_MEMORY:
        limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
        said = f"out of memory: the container's limit{limit} was reached: raise podTemplate.resources.limits.memory"
    elif pod.termination_message is not None and pod.termination_message.message:
        said = pod.termination_message.message
    elif pod.message:
        said = pod.message
    elif pod.exit_code is not None:
        said = f"exit code {pod.exit_code}"
    else:
        said = "it was deleted" if pod.deleting else "it failed without an exit code"
    return f"host {pod.index} ({pod.name}{_on_node(pod)}): {said}"
