"""Parse pods and nodes into the plan's views of them. An odd object becomes an odd view, never an error."""

from pydantic import ValidationError

from lwm_operator.api import names
from lwm_operator.cluster.parse import Object, annotations, attempt_key, conditions, first_host, slice_index
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.reasons import KubernetesReason, PendingReason
from lwm_trainer.config import TerminationMessage

DISRUPTIONS = {
    "DeletionByPodGC": KubernetesReason.NODE_GONE,
    "DeletionByTaintManager": KubernetesReason.TAINTED_NODE,
    "EvictionByEvictionAPI": KubernetesReason.EVICTED,
    "PreemptionByScheduler": KubernetesReason.PREEMPTED,
    "TerminationByKubelet": KubernetesReason.EVICTED,
}
"""Reasons of the condition DisruptionTarget, and ours for them."""
CREATING_REASONS = ("ContainerCreating", "PodInitializing")
"""The kubelet's reasons for all that it does before the container starts: only Events tell more."""
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
MAX_POD_MESSAGE_LENGTH = 500


def parse_pod(body: Object) -> PodView:
    metadata, status = body["metadata"], body.get("status") or {}
    terminated: Object = (_trainer_status(status).get("state") or {}).get("terminated") or {}
    deleting = metadata.get("deletionTimestamp") is not None
    termination_message = _parse_termination_message(terminated.get("message"))
    disruption = next((each for each in conditions(body) if each.get("type") == "DisruptionTarget"), None)
    container_message = "" if termination_message else terminated.get("message")
    message = str(status.get("message") or (disruption or {}).get("message") or container_message or "")
    stage, attempt = attempt_key(body)
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        stage=stage,
        attempt=attempt,
        slice=slice_index(body),
        index=first_host(body) + int(annotations(body).get(INDEX_ANNOTATION) or 0),
        state=_state(status, terminated),
        node=(body.get("spec") or {}).get("nodeName"),
        deleting=deleting,
        grace_seconds=int(metadata.get("deletionGracePeriodSeconds") or 0) if deleting else 30,
        deletion_deadline=metadata.get("deletionTimestamp"),
        exit_code=terminated.get("exitCode"),
        reason=_reason(status, terminated, disruption),
        memory_limit=str(_limits(body).get("memory") or ""),
        message=message[:MAX_POD_MESSAGE_LENGTH],
        termination_message=termination_message,
        waiting=_waiting(body),
        ready=not any(each.get("type") == "Ready" and each.get("status") == "False" for each in conditions(body)),
        node_lost_since=_node_lost_since(body),
    )


def node_not_ready(name: str, body: Object | None) -> Waiting | None:
    """Return what to say of the pods on a node that is not ready or gone; None when the node is ready."""
    if body is None:
        return Waiting(reason=PendingReason.NODE_NOT_READY, message=f"node {name} is gone", since="")
    ready: Object = next((each for each in conditions(body) if each.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return None
    message = f"node {name} is not ready: {ready.get('message') or 'its kubelet has never reported'}"
    return Waiting(reason=PendingReason.NODE_NOT_READY, message=message, since=str(ready.get("lastTransitionTime") or ""))


def _node_lost_since(body: Object) -> str | None:
    """Return since when the node controller has marked the pod as not ready.

    The node controller clears a pod's condition Ready and nothing else. A kubelet clears ContainersReady with it, or names a gate.
    """
    by_type: dict[str, Object] = {str(each.get("type")): each for each in conditions(body)}
    ready, containers = by_type.get("Ready", {}), by_type.get("ContainersReady", {})
    if (ready.get("status"), containers.get("status")) != ("False", "True") or ready.get("reason") == "ReadinessGatesNotReady":
        return None
    return str(ready.get("lastTransitionTime") or "")


def _state(status: Object, terminated: Object) -> PodState:
    """A container that has terminated decides, even before the pod's phase says so."""
    if terminated:
        return PodState.SUCCEEDED if terminated.get("exitCode") == 0 else PodState.FAILED
    try:
        return PodState(str(status.get("phase")))
    except ValueError:
        return PodState.PENDING


def _reason(status: Object, terminated: Object, disruption: Object | None) -> str:
    """Return why the pod ended: out of memory, the pod's own reason, its disruption, or the container's reason, in this order."""
    if terminated.get("reason") == KubernetesReason.OUT_OF_MEMORY:
        return KubernetesReason.OUT_OF_MEMORY
    if status.get("reason"):
        return str(status["reason"])
    if disruption is not None and terminated.get("exitCode") != 0:
        return DISRUPTIONS.get(str(disruption.get("reason")), KubernetesReason.EVICTED)
    return str(terminated.get("reason") or "")


def _limits(body: Object) -> Object:
    container: Object = next(iter((body.get("spec") or {}).get("containers") or ()), {})
    return (container.get("resources") or {}).get("limits") or {}


def _parse_termination_message(text: str | None) -> TerminationMessage | None:
    try:
        return TerminationMessage.read_json(text) if text else None
    except ValidationError:
        return None


def _trainer_status(status: Object) -> Object:
    """Return the status of the trainer's container; others may have been injected."""
    containers = list(status.get("containerStatuses") or ())
    return next((each for each in containers if each.get("name") == names.CONTAINER), containers[0] if containers else {})


def _waiting(body: Object) -> Waiting | None:
    """Return what the scheduler says of a pod without a node, or the kubelet of one that has a node; None when neither says anything."""
    status, spec = body.get("status") or {}, body.get("spec") or {}
    scheduled: Object = next((each for each in conditions(body) if each.get("type") == "PodScheduled"), {})
    since = str(scheduled.get("lastTransitionTime") or body["metadata"].get("creationTimestamp") or "")
    if scheduled.get("status") == "False":
        message = str(scheduled.get("message") or "no node takes it")
        message += _claim_names(spec) if "unbound" in message else ""
        reason = str(scheduled.get("reason") or PendingReason.UNSCHEDULABLE)
        return Waiting(reason=reason, message=message[:MAX_MESSAGE_LENGTH], since=since)
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting: Object = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in CREATING_REASONS:
            message = _kubelet_message(waiting, str(container.get("image") or ""))
            return Waiting(reason=str(waiting["reason"]), message=message[:MAX_MESSAGE_LENGTH], since=since)
    if status.get("phase") == "Pending" and spec.get("nodeName"):
        return Waiting(reason=CREATING_REASONS[0], message="", since=since)
    return None


def _kubelet_message(waiting: Object, image: str) -> str:
    """Return the kubelet's message; one about an image gets the image's name."""
    message = str(waiting.get("message") or "")
    if "Image" not in waiting["reason"] or image in message:
        return message
    return f'image "{image}": {message}'.removesuffix(": ")


def _claim_names(spec: Object) -> str:
    """Return the pod's volume claims: the scheduler speaks of unbound claims without their names."""
    claims = [each["persistentVolumeClaim"]["claimName"] for each in spec.get("volumes") or () if each.get("persistentVolumeClaim")]
    return f" (claims: {', '.join(dict.fromkeys(claims))})" if claims else ""
