"""The root cause of an attempt's end, by precedence and not by time: `finishedAt` has one-second resolution and victims die within
milliseconds.

A fault that a device or the kubelet names comes first, then a host that failed for a reason of its own, then one that was killed, then one
that was evicted or deleted (`pod_ending.Rank`). Victims of a lost peer count only when there is nothing else.
"""

from collections.abc import Mapping

from lwm_operator.api.attempt_status import FailureClass, RootCause
from lwm_operator.plan.attempt.pod_ending import PodEnding, Rank, describe_pod, on_node, pod_ending
from lwm_operator.plan.attempt.queueing import eviction_cause, failed_before_suspension
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import JobView, PodState, PodView
from lwm_operator.plan.reasons import KubernetesReason, LifecycleReason, TrainerReason
from lwm_trainer.config import ExitCode

NO_LOST_NODES: Mapping[str, str] = {}


def root_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: Mapping[str, str] = NO_LOST_NODES) -> RootCause:
    """The one cause of an attempt's end. There always is one, if only that the Job does not exist."""
    if job is None or not job.suspended:
        return _pod_cause(pods, job, lost_nodes)
    cause = _pod_cause(failed_before_suspension(pods), job, lost_nodes)
    is_own_failure = cause.pod is not None and cause.failure_class != FailureClass.DISRUPTION and cause.reason != TrainerReason.HOST_LOST
    return cause if is_own_failure else eviction_cause(job)


def _pod_cause(pods: tuple[PodView, ...], job: JobView | None, lost_nodes: Mapping[str, str]) -> RootCause:
    any_live = any(pod.live for pod in pods)
    # Once a Job no longer exists, garbage collection deletes its pods: those are victims.
    suspects = [
        pod for pod in pods if pod.state == PodState.FAILED or pod.node in lost_nodes or (pod.deleting and pod.live and job is not None)
    ]
    endings = [(pod_ending(pod, lost_nodes, any_live=any_live), pod) for pod in suspects]
    ending, first = min(endings, key=_explains_most, default=(None, None))
    if job is not None and (ending is None or ending.rank > Rank.DISRUPTED):
        missing = _missing_pod_cause(pods, job)
        if missing is not None:
            return missing
    if ending is None or first is None:
        return _job_cause(job)
    if ending.rank == Rank.VICTIM:
        return _lost_host_cause(pods, first)
    shared = _shared_fault(first, ending, pods, is_single_host=job is not None and job.hosts <= 1 and len(pods) == 1)
    return RootCause(
        failure_class=ending.failure_class,
        reason=ending.reason,
        message=f"{shared}{describe_pod(first, ending.reason)}"[:MAX_MESSAGE_LENGTH],
        exit_code=first.exit_code,
        host=first.index,
        pod=first.name,
        node=None if shared else first.node,
    )


def _explains_most(item: tuple[PodEnding, PodView]) -> tuple[int, int, int, str]:
    """The key by which the root cause is the least. Of hosts that hang together, the others wait for the one that is behind."""
    ending, pod = item
    return ending.rank, (_hang_step(pod) or 0) if pod.exit_code == ExitCode.HANG else -1, pod.index, pod.name


def _shared_fault(first: PodView, ending: PodEnding, pods: tuple[PodView, ...], *, is_single_host: bool) -> str:
    """Why no single host is suspect, as the beginning of a message; empty when the first host is.

    `is_single_host`: the gang has no other, so that none can have been deleted before anybody looked.
    """
    alike = [pod for pod in pods if pod.exit_code == first.exit_code and pod.exit_code is not None]
    if ending.reason == TrainerReason.DEVICE_FAULT and len(alike) > 1:
        return f"devices of {len(alike)} hosts failed together, so no node is suspected: "
    if ending.failure_class != FailureClass.HANG or is_single_host:
        return ""
    if len(alike) == 1:
        return "only the first watchdog reported, so no node is suspected: "
    steps = sorted(-1 if (step := _hang_step(pod)) is None else step for pod in alike)
    is_behind = steps[0] >= 0 and steps[0] < steps[1]
    return "" if is_behind else f"{len(alike)} hosts hang together, so no node is suspected: "


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
    report = f"its peers lost it: {describe_pod(victim, TrainerReason.HOST_LOST)}"
    if len(silent) == 1:
        suspect = silent[0]
        message = f"host {suspect.index} ({suspect.name}{on_node(suspect)}) went silent; {report}"
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


def _hang_step(pod: PodView) -> int | None:
    """The step at which the host hangs; None when it did not report one."""
    return pod.termination_message.step if pod.termination_message is not None else None
