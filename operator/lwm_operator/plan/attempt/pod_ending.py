"""How one pod ended: class and reason, how much that explains of the gang's end, and the line that tells it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from lwm_operator.api import names
from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.plan.failure.failure_classes import EXIT_CODES, POD_REASONS, SEGMENTATION_FAULT_CODE, SIGKILL_CODE
from lwm_operator.plan.observed import PodView
from lwm_operator.plan.reasons import KubernetesReason, PendingReason, TrainerReason, exit_code_reason, find_reason
from lwm_trainer.config import SECONDARY_EXIT_CODES, ExitCode

SIGTERM_CODE = 143
TERMINATION_CODES = (SIGKILL_CODE, SIGTERM_CODE)
"""Exit codes of a container that was told to terminate."""

HARD_EVIDENCE = frozenset[str](
    {
        TrainerReason.DEVICE_FAULT,
        KubernetesReason.OUT_OF_MEMORY,
        KubernetesReason.NODE_REBOOTED,
        KubernetesReason.START_ERROR,
        KubernetesReason.CONTAINER_STATUS_UNKNOWN,
    }
)
"""Reasons that the loss of a peer never has: the kernel, the kubelet or the device names the fault."""


class Rank(IntEnum):
    """How much the end of a pod explains; the least explains most."""

    EVIDENCE = 0
    OWN_ERROR = 1
    KILLED = 2
    DISRUPTED = 3
    SAVED = 4
    UNEXPLAINED = 5
    VICTIM = 6


@dataclass(frozen=True, slots=True)
class PodEnding:
    rank: Rank
    failure_class: FailureClass
    reason: str


def pod_ending(pod: PodView, lost_nodes: Mapping[str, str], *, any_live: bool) -> PodEnding:
    """How the pod ended. `lost_nodes` has the reason of each node's loss; `any_live`: another host has not ended yet."""
    code = pod.exit_code
    if pod.reason == KubernetesReason.OUT_OF_MEMORY:
        return PodEnding(Rank.EVIDENCE, FailureClass.APP, pod.reason)
    if pod.node is not None and pod.node in lost_nodes and (code is None or code in SECONDARY_EXIT_CODES or code in TERMINATION_CODES):
        reason = lost_nodes[pod.node]
        return PodEnding(Rank.DISRUPTED, POD_REASONS[reason], reason)
    told_to_end = pod.deleting and (code is None or code in TERMINATION_CODES)
    if pod.reason in POD_REASONS and not (told_to_end and pod.reason == KubernetesReason.CONTAINER_STATUS_UNKNOWN):
        return PodEnding(_rank_of_pod_reason(pod.reason), POD_REASONS[pod.reason], pod.reason)
    if told_to_end:
        return PodEnding(Rank.DISRUPTED, FailureClass.DISRUPTION, KubernetesReason.POD_DELETED)
    if code is None:
        return PodEnding(Rank.UNEXPLAINED, FailureClass.INFRA, KubernetesReason.POD_FAILED)
    if _is_victim(code, any_live):
        return PodEnding(Rank.VICTIM, FailureClass.INFRA, TrainerReason.HOST_LOST)
    return _exit_ending(pod, code)


def _rank_of_pod_reason(reason: str) -> Rank:
    if POD_REASONS[reason] == FailureClass.DISRUPTION or reason == PendingReason.NODE_NOT_READY:
        return Rank.DISRUPTED
    return Rank.EVIDENCE if reason in HARD_EVIDENCE or POD_REASONS[reason] == FailureClass.APP else Rank.KILLED


def _is_victim(code: int, any_live: bool) -> bool:
    """Whether a process that lost a peer ends with this code.

    JAX aborts then. Process 1 of a container does not die of SIGABRT: the abort continues to an instruction that is a segmentation fault.
    So 139, too, is a victim's code while another host is still silent.
    """
    return code in SECONDARY_EXIT_CODES or (code == SEGMENTATION_FAULT_CODE and any_live)


def _exit_ending(pod: PodView, code: int) -> PodEnding:
    """The end of a trainer that exited for a reason of its own."""
    failure_class, reason = EXIT_CODES.get(code, (FailureClass.APP, exit_code_reason(code)))
    rank = Rank.OWN_ERROR
    if code == ExitCode.SAVED_ON_REQUEST:
        rank = Rank.SAVED
    elif code in (SIGKILL_CODE, SEGMENTATION_FAULT_CODE):
        rank = Rank.KILLED
    elif reason in HARD_EVIDENCE:
        rank = Rank.EVIDENCE
    reported = pod.termination_message
    # The trainer may have a narrower reason for its code, for example BucketMissing.
    if reported is not None and reported.code == code and find_reason(reported.reason) is not None:
        return PodEnding(rank, failure_class, reported.reason)
    return PodEnding(rank, failure_class, reason)


def describe_pod(pod: PodView, reason: str) -> str:
    """The host, its pod and node, and why it ended. Never empty."""
    return f"host {pod.index} ({pod.name}{on_node(pod)}): {_why(pod, reason)}"


def on_node(pod: PodView) -> str:
    return f" on node {pod.node}" if pod.node else ""


def _why(pod: PodView, reason: str) -> str:
    if reason == PendingReason.NODE_NOT_READY:
        return f"node {pod.node} is not ready"
    if reason == KubernetesReason.NODE_RECLAIMED:
        return f"node {pod.node} was taken back by its provider"
    if reason == KubernetesReason.NODE_GONE and not pod.message:
        return f"node {pod.node} is gone"
    if reason == KubernetesReason.NODE_REBOOTED:
        return f"the node rebooted, or its container runtime lost the container: exit code {pod.exit_code}"
    if reason == KubernetesReason.OUT_OF_MEMORY:
        limit = f" of {pod.memory_limit}" if pod.memory_limit else ""
        if pod.container:
            return f"out of memory: the limit{limit} of {pod.container} was reached: raise it where that container is added to the pod"
        return f"out of memory: the container's limit{limit} was reached: raise podTemplate.resources.limits.memory"
    if reason == KubernetesReason.EPHEMERAL_STORAGE_EXCEEDED:
        return f"{pod.message.strip() or 'it used more local storage than its limit'}: {_storage_advice(pod.message)}"
    if reason == KubernetesReason.DEADLINE_EXCEEDED:
        return f"{pod.message.strip() or reason}: something outside of this operator sets activeDeadlineSeconds on pods"
    if pod.termination_message is not None and pod.termination_message.message:
        return pod.termination_message.message
    if pod.message:
        return f"{pod.reason}: {pod.message}" if reason == KubernetesReason.POD_FAILED and pod.reason else pod.message
    if pod.exit_code is not None:
        return f"exit code {pod.exit_code}"
    return "it was deleted" if pod.deleting else "it failed without an exit code"


def _storage_advice(message: str) -> str:
    """What to raise, by the kubelet's message about the limit that was exceeded."""
    if f'EmptyDir volume "{names.SHARED_MEMORY}"' in message:
        return "raise accelerator.gpu.sharedMemory"
    if "EmptyDir volume" in message:
        return "raise that volume's sizeLimit where it is added to the pod"
    if (container := re.match(r"Container (\S+) exceeded", message)) is not None and container[1] != names.CONTAINER:
        return f"raise the ephemeral-storage limit of container {container[1]} where it is added to the pod"
    return "raise podTemplate.resources.limits.ephemeral-storage"
