"""Explains pods whose own status does not: reads the nodes and Events of a few pods at a time, and only when needed."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client
from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.cluster.parse_nodes import node_not_ready
from lwm_operator.cluster.parse_pods import CREATING_REASONS
from lwm_operator.plan.formatting import MAX_MESSAGE_LENGTH
from lwm_operator.plan.observed import PodState, PodView, Waiting
from lwm_operator.plan.reasons import PendingReason

MAX_PODS = 3
"""Pods whose Events are read in one pass. The others wait for the same, or are the first three soon."""
MAX_NODES = 8
"""Nodes that are read in one pass because pods are slow to start there. Nodes of deleted pods are all read."""

CREATING_SECONDS = 5.0
"""Setting up a pod takes this long without any difficulty."""
BOUND_SECONDS = 10.0
"""A kubelet that has not started a pod by then may be down."""

IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff")
MOUNT_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
BLOCKING_EVENTS = (*MOUNT_EVENTS, "FailedCreatePodSandBox", "NetworkNotReady", "Pulling")
RESOLVING_EVENTS = ("Pulled", "SuccessfulAttachVolume", "Created")
"""After these, whatever an earlier Event said is over."""
MOUNT_SUMMARY = "Unable to attach or mount volumes"
"""The kubelet's summary, some minutes after the message that says why."""


async def find_lost_nodes(reader: NodeReader, pods: tuple[PodView, ...], now: datetime) -> Mapping[str, Waiting]:
    """Return the nodes of doubtful pods that are NotReady or gone, each with what to say of its pods."""
    bound = [pod for pod in pods if pod.live and pod.node is not None]
    doubtful = {pod.node for pod in bound if pod.deleting or (pod.state == PodState.RUNNING and not pod.ready)}
    slow = [pod for pod in bound if pod.state == PodState.PENDING and _waiting_seconds(pod, now) > BOUND_SECONDS]
    slow_nodes = list(dict.fromkeys(pod.node for pod in sorted(slow, key=lambda pod: pod.index)))[:MAX_NODES]
    nodes = await reader.read(sorted({name for name in (*doubtful, *slow_nodes) if name is not None}))
    reasons = {name: node_not_ready(name, body) for name, body in nodes.items()}
    return {name: waiting for name, waiting in reasons.items() if waiting is not None}


def infer_lost_nodes(pods: tuple[PodView, ...]) -> Mapping[str, Waiting]:
    """Return the same from the pods alone, for an operator that may not read nodes.

    A running pod that was given up tells of its node; one that does not run yet tells nothing. That one is deleted from a lost node
    like any other, after its toleration, and not waited for when it does not go.
    """
    lost = [pod for pod in pods if pod.state == PodState.RUNNING and pod.node is not None and pod.node_lost_since is not None]
    return {
        str(pod.node): Waiting(
            reason=PendingReason.NODE_NOT_READY,
            message=f"node {pod.node} is not ready: its pods were marked so",
            since=str(pod.node_lost_since),
        )
        for pod in lost
    }


async def explain_pods(
    client: Client, namespace: str, pods: tuple[PodView, ...], lost_nodes: Mapping[str, Waiting], now: datetime
) -> tuple[PodView, ...]:
    """Return the pods; those on lost nodes and those that are slow to start get the best explanation that there is."""
    on_lost_nodes = [(pod, lost_nodes[pod.node]) for pod in pods if pod.live and pod.node is not None and pod.node in lost_nodes]
    explained = {pod.uid: replace(pod, waiting=_node_waiting(pod, node)) for pod, node in on_lost_nodes}
    unclear = [pod for pod in sorted(pods, key=lambda pod: pod.index) if pod.uid not in explained and _is_unclear(pod, now)][:MAX_PODS]
    path = paths.collection("Event", namespace)
    events = await asyncio.gather(*(client.list(path, fields=f"regarding.uid={pod.uid}") for pod in unclear))
    explained |= {pod.uid: replace(pod, waiting=add_events(pod.waiting, own)) for pod, own in zip(unclear, events, strict=True)}
    return tuple(explained.get(pod.uid, pod) for pod in pods)


def add_events(waiting: Waiting | None, events: list[Body]) -> Waiting | None:
    """Return the waiting with what the pod's Events add to it."""
    newest_first = sorted(events, key=lambda event: int(event["metadata"]["resourceVersion"]), reverse=True)
    notes = [(str(event.get("reason") or ""), str(event.get("note") or "")) for event in newest_first]
    if waiting is None:
        return None
    if waiting.reason in IMAGE_REASONS:
        return _explain_image(waiting, notes)
    recent = [(reason, note) for reason, note in notes if reason in BLOCKING_EVENTS or reason in RESOLVING_EVENTS]
    if not recent or recent[0][0] in RESOLVING_EVENTS:
        return waiting
    reason, note = recent[0]
    if note.startswith(MOUNT_SUMMARY):
        causes = ((cause, text) for cause, text in recent if cause in MOUNT_EVENTS and not text.startswith(MOUNT_SUMMARY))
        reason, note = next(causes, (reason, note))
    return replace(waiting, reason=reason, message=note[:MAX_MESSAGE_LENGTH])


def _explain_image(waiting: Waiting, notes: list[tuple[str, str]]) -> Waiting:
    """An older kubelet's back-off names the image only; that a pull Secret is missing stands in Events alone."""
    message = waiting.message
    if "failed" not in message.lower() and ": " not in message:
        message = next((note for reason, note in notes if reason == "Failed" and note.startswith("Failed to pull image")), message)
    secrets = next((note for reason, note in notes if reason == "FailedToRetrieveImagePullSecret"), "").rstrip(".")
    return replace(waiting, message="; ".join(filter(None, (secrets, message)))[:MAX_MESSAGE_LENGTH])


def _node_waiting(pod: PodView, node: Waiting) -> Waiting:
    """A node that is gone has no time: the pod's own stands in."""
    return replace(node, since=node.since or (pod.waiting.since if pod.waiting is not None else ""))


def _is_unclear(pod: PodView, now: datetime) -> bool:
    if pod.state != PodState.PENDING or pod.waiting is None:
        return False
    return pod.waiting.reason in IMAGE_REASONS or (pod.waiting.reason in CREATING_REASONS and _waiting_seconds(pod, now) > CREATING_SECONDS)


def _waiting_seconds(pod: PodView, now: datetime) -> float:
    """Return how long the pod has waited; infinity where its time cannot be read."""
    try:
        return (now - datetime.fromisoformat(pod.waiting.since if pod.waiting is not None else "")).total_seconds()
    except (TypeError, ValueError):
        return float("inf")
