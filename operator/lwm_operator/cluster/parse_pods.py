"""Parse pods into the plan's views of them. An odd object becomes an odd view, never an error."""

from lwm_operator.api import names
from lwm_operator.cluster.parse import Object, annotations, attempt_key, conditions, first_host, slice_index
from lwm_operator.cluster.parse_endings import ended_container, parse_reason, parse_termination_message
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.reasons import PendingReason

CREATING_REASONS = ("ContainerCreating", "PodInitializing")
"""The kubelet's reasons for all that it does before the container starts: only Events tell more."""
INDEX_ANNOTATION = "batch.kubernetes.io/job-completion-index"
MAX_POD_MESSAGE_LENGTH = 500


def parse_pod(body: Object) -> PodView:
    metadata, status = body["metadata"], body.get("status") or {}
    ended = ended_container(body)
    deleting = metadata.get("deletionTimestamp") is not None
    termination_message = None if ended.label else parse_termination_message(ended.message)
    disruption = next((each for each in conditions(body) if each.get("type") == "DisruptionTarget" and each.get("status") != "False"), None)
    container_message = "" if termination_message else ended.message
    message = str(status.get("message") or (disruption or {}).get("message") or container_message or "")
    stage, attempt = attempt_key(body)
    return PodView(
        name=metadata["name"],
        uid=metadata["uid"],
        stage=stage,
        attempt=attempt,
        slice=slice_index(body),
        index=first_host(body) + int(annotations(body).get(INDEX_ANNOTATION) or 0),
        state=_state(status, ended.exit_code),
        node=(body.get("spec") or {}).get("nodeName"),
        deleting=deleting,
        grace_seconds=int(metadata.get("deletionGracePeriodSeconds") or 0) if deleting else 30,
        deletion_deadline=metadata.get("deletionTimestamp"),
        exit_code=ended.exit_code,
        reason=parse_reason(status, ended, disruption),
        container=ended.label,
        memory_limit=ended.memory_limit,
        message=message[:MAX_POD_MESSAGE_LENGTH],
        termination_message=termination_message,
        sidecars_run=_sidecars_run(status),
        waiting=_waiting(body),
        ready=not any(each.get("type") == "Ready" and each.get("status") == "False" for each in conditions(body)),
        node_lost_since=_node_lost_since(body),
    )


def _node_lost_since(body: Object) -> str | None:
    """Return since when the node controller has marked the pod as not ready.

    The node controller clears a pod's condition Ready and nothing else. A kubelet clears ContainersReady with it, or names a gate.
    """
    by_type: dict[str, Object] = {str(each.get("type")): each for each in conditions(body)}
    ready, containers = by_type.get("Ready", {}), by_type.get("ContainersReady", {})
    if (ready.get("status"), containers.get("status")) != ("False", "True") or ready.get("reason") == "ReadinessGatesNotReady":
        return None
    return str(ready.get("lastTransitionTime") or "")


def _state(status: Object, exit_code: int | None) -> PodState:
    """A trainer that has ended decides, even before the pod's phase says so."""
    if exit_code is not None:
        return PodState.SUCCEEDED if exit_code == 0 else PodState.FAILED
    try:
        return PodState(str(status.get("phase")))
    except ValueError:
        return PodState.PENDING


def _sidecars_run(status: Object) -> bool:
    """Whether the trainer's container has ended and one beside it has not. Native sidecars (init containers) end by themselves."""
    ended = {str(each.get("name")): bool((each.get("state") or {}).get("terminated")) for each in status.get("containerStatuses") or ()}
    return ended.get(names.CONTAINER, False) and not all(ended.values())


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
