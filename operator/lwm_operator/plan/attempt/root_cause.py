"""The root cause of an attempt's end, by precedence and not by time: `finishedAt` has one-second resolution and victims die within
milliseconds.

A host that failed for a reason of its own comes first, then one that was killed, then one that was evicted or deleted. Victims of a lost
peer count only when there is nothing else.
"""

from lwm_operator.api.status import FailureClass, RootCause
from lwm_operator.plan.attempt.queueing import eviction_cause, failed_before_suspension
from lwm_operator.plan.failure.failure_classes import EXIT_CODES, POD_REASONS, SEGMENTATION_FAULT_CODE, SIGKILL_CODE
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.reasons import KubernetesReason, LifecycleReason, PendingReason, TrainerReason, exit_code_reason, find_reason
from lwm_trainer.config import SECONDARY_EXIT_CODES, ExitCode

SIGTERM_CODE = 143
TERMINATION_CODES = (SIGKILL_CODE, SIGTERM_CODE)
"""Exit codes of a container that was told to terminate."""
EVICTED_RANK = 3


def root_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: frozenset[str] = frozenset()) -> RootCause:
    """The one cause of an attempt's end. There always is one, if only that the Job does not exist."""
    if job is None or not job.suspended:
        return _pod_cause(pods, job, lost_nodes)
    cause = _pod_cause(failed_before_suspension(pods), job, lost_nodes)
    is_own_failure = cause.pod is not None and cause.failure_class != FailureClass.DISRUPTION and cause.reason != TrainerReason.HOST_LOST
    return cause if is_own_failure else eviction_cause(job)


def _pod_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: frozenset[str]) -> RootCause:
    any_live = any(pod.live for pod in pods)
    # Once a Job no longer exists, garbage collection deletes its pods: those are victims.
    suspects = [
        pod for pod in pods if pod.state == PodState.FAILED or pod.node in lost_nodes or (pod.deleting and pod.live and job is not None)
    ]
    first = min(suspects, key=lambda pod: (_rank(pod, lost_nodes, any_live), _hang_step(pod), pod.index, pod.name), default=None)
    if job is not None and (first is None or _rank(first, lost_nodes, any_live) > EVICTED_RANK):
        missing = _missing_pod_cause(pods, job)
        if missing is not None:
            return missing
    if first is None:
        return _job_cause(job)
    failure_class, reason = _classify(first, lost_nodes, any_live)
    if reason == TrainerReason.HOST_LOST:
        return _lost_host_cause(pods, first)
    return RootCause(
        failure_class=failure_class,
        reason=reason,
        message=_message(first, reason)[:MAX_MESSAGE_LENGTH],
        exit_code=first.exit_code,
        host=first.index,
        pod=first.name,
        node=first.node,
    )


def _missing_pod_cause(pods: tuple[PodView, ...], job: JobView) -> RootCause | None:
    """A pod that fails by itself stays. So a host that counts as failed without a pod was deleted or drained."""
    missing = sorted(job.failed_indexes - {pod.index for pod in pods})
    if not missing:
        return None
    message = f"host {missing[0]}: its pod is gone: it was evicted, preempted or deleted"
    return RootCause(failure_class=FailureClass.DISRUPTION, reason=KubernetesReason.POD_DELETED, message=message, host=missing[0])


def more_specific_cause(old: RootCause | None, new: RootCause) -> RootCause:
    """The better of two causes of one attempt. The later one wins, unless it is only a victim or a pod that disappeared with its reason."""
    if old is None or old.reason == TrainerReason.HOST_LOST:
        return new if old is None or new.reason != TrainerReason.HOST_LOST else old
    if LifecycleReason.EVICTED_BY_QUEUE in (old.reason, new.reason):
        is_other_disruption = old.failure_class == FailureClass.DISRUPTION and old.reason != LifecycleReason.EVICTED_BY_QUEUE
        return new if is_other_disruption else old
    return old if new.reason in (TrainerReason.HOST_LOST, KubernetesReason.POD_DELETED) else new


def describe_endings(pods: tuple[PodView, ...]) -> str:
    """How every host ended, in one line: the evidence that outlives the pods."""
    endings = [f"host {pod.index}: {_ending(pod)}" for pod in sorted(pods, key=lambda pod: (pod.index, pod.name))]
    return ", ".join(endings)[:MAX_MESSAGE_LENGTH]


def _ending(pod: PodView) -> str:
    if pod.live:
        return "still running"
    return str(pod.exit_code) if pod.exit_code is not None else pod.reason or "no exit code"


def _job_cause(job: JobView | None) -> RootCause:
    if job is None:
        message = "the Job of the attempt was deleted"
        return RootCause(failure_class=FailureClass.DISRUPTION, reason=KubernetesReason.JOB_DELETED, message=message)
    if job.failed:
        message = (job.message or "the Job failed and its pods no longer exist")[:MAX_MESSAGE_LENGTH]
        return RootCause(failure_class=FailureClass.INFRA, reason=KubernetesReason.JOB_FAILED, message=message)
    return RootCause(
        failure_class=FailureClass.APP,
        reason=TrainerReason.COMPLETED_WITHOUT_CHECKPOINT,
        message="all hosts exited with 0, but none reported the final checkpoint of the stage",
        exit_code=int(ExitCode.COMPLETE),
    )


def _lost_host_cause(pods: tuple[PodView, ...], victim: PodView) -> RootCause:
    """The cause when only victims report. A single silent host is the suspect; with none or several, no node is blamed."""
    silent = [pod for pod in pods if pod.live]
    report = f"its peers lost it: {_message(victim, TrainerReason.HOST_LOST)}"
    if len(silent) == 1:
        suspect = silent[0]
        message = f"host {suspect.index} ({suspect.name}{_on_node(suspect)}) went silent; {report}"
        return RootCause(
            failure_class=FailureClass.INFRA,
            reason=TrainerReason.HOST_LOST,
            message=message[:MAX_MESSAGE_LENGTH],
            host=suspect.index,
            pod=suspect.name,
            node=suspect.node,
        )
    message = f"a host was lost, {report}"
    return RootCause(
        failure_class=FailureClass.INFRA, reason=TrainerReason.HOST_LOST, message=message[:MAX_MESSAGE_LENGTH], exit_code=victim.exit_code
    )


def _rank(pod: PodView, lost_nodes: frozenset[str], any_live: bool) -> int:
    """How much the end of the pod explains; 0 explains most."""
    code = pod.exit_code
    if pod.reason == KubernetesReason.OUT_OF_MEMORY:
        return 0
    if pod.node in lost_nodes and (code is None or code in SECONDARY_EXIT_CODES or code in TERMINATION_CODES):
        return EVICTED_RANK
    if pod.reason in POD_REASONS or (pod.deleting and (code is None or code in TERMINATION_CODES)):
        return EVICTED_RANK
    if _is_victim(code, any_live):
        return 6
    if code == ExitCode.SAVED_ON_REQUEST:
        return 4
    if code in (SIGKILL_CODE, SEGMENTATION_FAULT_CODE):
        return 2
    return 1 if code is not None else 5


def _is_victim(code: int | None, any_live: bool) -> bool:
    """Whether a process that lost a peer ends with this code.

    JAX aborts then. Process 1 of a container does not die of SIGABRT: the abort continues to an instruction that is a segmentation fault.
    So 139, too, is a victim's code while another host is still silent.
    """
    return code in SECONDARY_EXIT_CODES or (code == SEGMENTATION_FAULT_CODE and any_live)


def _classify(pod: PodView, lost_nodes: frozenset[str], any_live: bool) -> tuple[FailureClass, str]:
    """Class and reason of the pod's end."""
    code = pod.exit_code
    if pod.reason == KubernetesReason.OUT_OF_MEMORY:
        return FailureClass.APP, KubernetesReason.OUT_OF_MEMORY
    if pod.node in lost_nodes and _rank(pod, lost_nodes, any_live) == EVICTED_RANK:
        return FailureClass.INFRA, PendingReason.NODE_NOT_READY
    if pod.reason in POD_REASONS:
        return POD_REASONS[pod.reason], pod.reason
    if pod.deleting and (code is None or code in TERMINATION_CODES):
        return FailureClass.DISRUPTION, KubernetesReason.POD_DELETED
    if code is None:
        return FailureClass.INFRA, KubernetesReason.POD_FAILED
    if _is_victim(code, any_live):
        return FailureClass.INFRA, TrainerReason.HOST_LOST
    failure_class, reason = EXIT_CODES.get(code, (FailureClass.APP, exit_code_reason(code)))
    reported = pod.termination_message
    # The trainer may have a narrower reason for its code, for example BucketMissing.
    if reported is not None and reported.code == code and find_reason(reported.reason) is not None:
        return failure_class, reported.reason
    return failure_class, reason


def _hang_step(pod: PodView) -> int:
    """The step at which the host hangs: of hosts that hang together, the others wait for the one that is behind."""
    return pod.termination_message.step if pod.exit_code == ExitCode.HANG and pod.termination_message is not None else 0


def _on_node(pod: PodView) -> str:
    return f" on node {pod.node}" if pod.node else ""


def _message(pod: PodView, reason: str) -> str:
    if reason == PendingReason.NODE_NOT_READY:
        text = f"node {pod.node} is not ready"
    elif reason == KubernetesReason.OUT_OF_MEMORY:
        limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
        text = f"out of memory: the container's limit{limit} was reached: raise podTemplate.resources.limits.memory"
    elif pod.termination_message is not None and pod.termination_message.message:
        text = pod.termination_message.message
    elif pod.message:
        text = pod.message
    elif pod.exit_code is not None:
        text = f"exit code {pod.exit_code}"
    else:
        text = "it was deleted" if pod.deleting else "it failed without an exit code"
    return f"host {pod.index} ({pod.name}{_on_node(pod)}): {text}"
