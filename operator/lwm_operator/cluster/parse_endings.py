"""Parse how a pod ended: the container that ended it, found by its name, and our reason for what the kubelet writes."""

import re
from dataclasses import dataclass

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.cluster.parse import Object
from lwm_operator.plan.failure.failure_classes import POD_REASONS
from lwm_operator.plan.reasons import KubernetesReason
from lwm_trainer.config import TerminationMessage

DISRUPTIONS = {
    "DeletionByPodGC": KubernetesReason.NODE_GONE,
    "DeletionByTaintManager": KubernetesReason.TAINTED_NODE,
    "EvictionByEvictionAPI": KubernetesReason.EVICTED,
    "PreemptionByScheduler": KubernetesReason.PREEMPTED,
    "TerminationByKubelet": KubernetesReason.EVICTED,
}
"""Reasons of the condition DisruptionTarget, and ours for them."""

START_FAILURES = ("StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError")
"""What kubelets and container runtimes call a container that never ran: containerd, CRI-O, Docker."""
_IMAGE_AT_FAULT = re.compile(r'exec: "|exec format error|executable file|exec /|chdir to cwd|unable to find user|no users found')
_LIMIT_AT_FAULT = "init was OOM-killed"
"""runc's words where the container's memory limit does not even hold its first process."""
_NODE_AT_FAULT = re.compile(r"hook|nvidia|unable to retrieve OCI runtime error")

UNKNOWN_CODE = 255
"""containerd's exit code, with the reason Unknown, for a container that it lost track of: after a reboot of the node."""

NODE_PRESSURE = "low on resource"
"""In the kubelet's message of an eviction because of the node. Evictions for a pod's own over-use have no condition DisruptionTarget."""

NO_ROOM_ON_NODE = "OutOf"
"""Beginning of the kubelet's reasons for a pod that it has no room for."""


@dataclass(frozen=True, slots=True)
class EndedContainer:
    """The container that ended a pod. `label` names one that is not the trainer, such as `init container vault-agent`."""

    label: str
    terminated: Object
    memory_limit: str

    @property
    def exit_code(self) -> int | None:
        """The trainer's exit code. Another container's codes have other meanings, so they only stand in the message."""
        return None if self.label else self.terminated.get("exitCode")

    @property
    def message(self) -> str:
        """Its last words; of another container also its name and exit code."""
        words = str(self.terminated.get("message") or "").strip()
        if not self.label:
            return words
        code = self.terminated.get("exitCode")
        end = "could not be started" if code is None else f"ended with {code}"
        return f"{self.label} {end}: {words}" if words else f"{self.label} {end}"


NOTHING_ENDED = EndedContainer(label="", terminated={}, memory_limit="")


def ended_container(body: Object) -> EndedContainer:
    """Return the trainer's container if it has ended, else the one that failed in a pod that has. They are found by name."""
    spec, status = body.get("spec") or {}, body.get("status") or {}
    inits = {str(each.get("name")): each for each in spec.get("initContainers") or ()}
    containers = {str(each.get("name")): each for each in spec.get("containers") or ()}
    for each in status.get("containerStatuses") or ():
        if each.get("name") == names.CONTAINER and (terminated := (each.get("state") or {}).get("terminated")):
            return EndedContainer("", terminated, _memory_limit(containers.get(names.CONTAINER)))
    if status.get("phase") != "Failed":
        return NOTHING_ENDED
    for each in status.get("initContainerStatuses") or ():
        if (terminated := _failure(each)) is not None:
            container = inits.get(str(each.get("name"))) or {}
            kind = "sidecar" if container.get("restartPolicy") == "Always" else "init container"
            return EndedContainer(f"{kind} {each.get('name')}", terminated, _memory_limit(container))
    for each in status.get("containerStatuses") or ():
        if (terminated := _failure(each)) is not None:
            label = "" if each.get("name") == names.CONTAINER else f"container {each.get('name')}"
            return EndedContainer(label, terminated, _memory_limit(containers.get(str(each.get("name")))))
    return NOTHING_ENDED


def _failure(container: Object) -> Object | None:
    """Return the end of a container that failed or could not be started; None when it did not fail."""
    state = container.get("state") or {}
    terminated: Object = state.get("terminated") or {}
    if terminated.get("exitCode"):
        return terminated
    waiting: Object = state.get("waiting") or {}
    return waiting if waiting.get("reason") in START_FAILURES else None


def _memory_limit(container: Object | None) -> str:
    return str((((container or {}).get("resources") or {}).get("limits") or {}).get("memory") or "")


def parse_reason(status: Object, ended: EndedContainer, disruption: Object | None) -> str:
    """Return why the pod ended: out of memory, the pod's own reason, its disruption, or the container's reason, in this order."""
    terminated = ended.terminated
    if terminated.get("reason") == KubernetesReason.OUT_OF_MEMORY:
        return KubernetesReason.OUT_OF_MEMORY
    if status.get("reason") == KubernetesReason.EVICTED and disruption is None and NODE_PRESSURE not in str(status.get("message")):
        return KubernetesReason.EPHEMERAL_STORAGE_EXCEEDED
    if status.get("reason"):
        return _pod_reason(str(status["reason"]))
    if disruption is not None and terminated.get("exitCode") != 0:
        return DISRUPTIONS.get(str(disruption.get("reason")), KubernetesReason.EVICTED)
    reason = _container_reason(terminated)
    return KubernetesReason.CONTAINER_FAILED if ended.label and reason not in POD_REASONS else reason


def _pod_reason(reason: str) -> str:
    """Any resource but those of every node is a device that the scheduler counted on and the node no longer has: OutOfnvidia.com/gpu."""
    return KubernetesReason.UNEXPECTED_ADMISSION if reason.startswith(NO_ROOM_ON_NODE) and reason not in POD_REASONS else reason


def _container_reason(terminated: Object) -> str:
    reason, message = str(terminated.get("reason") or ""), str(terminated.get("message") or "")
    if terminated.get("exitCode") == UNKNOWN_CODE and reason == "Unknown":
        return KubernetesReason.NODE_REBOOTED
    if reason in START_FAILURES and _LIMIT_AT_FAULT in message:
        return KubernetesReason.OUT_OF_MEMORY
    if reason in START_FAILURES:
        is_image_at_fault = _IMAGE_AT_FAULT.search(message) and not _NODE_AT_FAULT.search(message)
        return "Error" if is_image_at_fault else KubernetesReason.START_ERROR
    return reason


def parse_termination_message(text: str | None) -> TerminationMessage | None:
    try:
        return TerminationMessage.read_json(text) if text else None
    except ValidationError:
        return None
