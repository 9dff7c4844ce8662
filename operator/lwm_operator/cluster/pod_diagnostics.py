"""What pods themselves do not tell: their nodes and their Events are asked, for a few pods a look, and only where there is doubt."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from lwm_operator.cluster import paths, views
from lwm_operator.cluster.client import Body, Client
from lwm_operator.plan.observed import PodState, PodView, Waiting

PODS = 3
"""Asked for their Events in one look. The others wait for the same, or are the first three soon."""
NODES = 8
"""Asked about in one look because pods are slow to start there. Nodes of pods that are being deleted are all asked about."""

CREATING_SECONDS = 5.0
"""Setting up a pod takes so long without any difficulty."""
BOUND_SECONDS = 10.0
"""A kubelet that has not started a pod by then may be away."""

IMAGE = ("ErrImagePull", "ImagePullBackOff")
TELLING = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady", "Pulling")
SETTLED = ("Pulled", "SuccessfulAttachVolume", "Created")
"""Whatever was told before is over."""
VAGUE = "Unable to attach or mount volumes"
"""The kubelet's summary, some minutes after the sentence that says why."""


async def lost_nodes(client: Client, pods: tuple[PodView, ...], now: datetime) -> Mapping[str, Waiting]:
    """Of the nodes of doubtful pods those that are NotReady or gone, each with what to say of its pods."""
    live = [pod for pod in pods if pod.live and pod.node is not None]
    doubtful = {pod.node for pod in live if pod.deleting or (pod.state == PodState.RUNNING and not pod.ready)}
    slow = [pod for pod in live if pod.state == PodState.PENDING and _age(pod, now) > BOUND_SECONDS]
    some = list(dict.fromkeys(pod.node for pod in sorted(slow, key=lambda pod: pod.index)))[:NODES]
    asked = sorted({name for name in (*doubtful, *some) if name is not None})
    found = await asyncio.gather(*(client.get(paths.node(name)) for name in asked))
    said = {name: views.node_lost(name, body) for name, body in zip(asked, found, strict=True)}
    return {name: waiting for name, waiting in said.items() if waiting is not None}


def given_up(pods: tuple[PodView, ...]) -> Mapping[str, Waiting]:
    """The same from the pods alone, for an operator that may not read nodes: a pod that runs tells of its node, one that does not run
    yet tells nothing. It is then taken from a lost node like any other, after its toleration, and not waited for when it does not go."""
    away = [pod for pod in pods if pod.state == PodState.RUNNING and pod.node is not None and pod.given_up is not None]
    return {
        str(pod.node): Waiting(
            reason="NodeNotReady", message=f"node {pod.node} is not ready: its pods were marked so", since=str(pod.given_up)
        )
        for pod in away
    }


async def explained(
    client: Client, namespace: str, pods: tuple[PodView, ...], lost: Mapping[str, Waiting], now: datetime
) -> tuple[PodView, ...]:
    """The pods, those on lost nodes and those that are slow to start with the best words that there are for it."""
    away = [(pod, lost[pod.node]) for pod in pods if pod.live and pod.node is not None and pod.node in lost]
    known = {pod.uid: replace(pod, waiting=_away(pod, node)) for pod, node in away}
    asked = [pod for pod in sorted(pods, key=lambda pod: pod.index) if pod.uid not in known and _unclear(pod, now)][:PODS]
    place = paths.collection("Event", namespace)
    found = await asyncio.gather(*(client.list(place, fields=f"regarding.uid={pod.uid}") for pod in asked))
    known |= {pod.uid: replace(pod, waiting=retold(pod.waiting, events)) for pod, events in zip(asked, found, strict=True)}
    return tuple(known.get(pod.uid, pod) for pod in pods)


def retold(waiting: Waiting | None, events: list[Body]) -> Waiting | None:
    """The waiting with what the pod's Events add to it."""
    newest = sorted(events, key=lambda event: int(event["metadata"]["resourceVersion"]), reverse=True)
    told = [(str(event.get("reason") or ""), str(event.get("note") or "")) for event in newest]
    if waiting is None:
        return None
    if waiting.reason in IMAGE:
        return _image(waiting, told)
    recent = [(reason, note) for reason, note in told if reason in TELLING or reason in SETTLED]
    if not recent or recent[0][0] in SETTLED:
        return waiting
    reason, note = recent[0]
    if note.startswith(VAGUE):
        reason, note = next(((why, said) for why, said in recent if why in TELLING[:3] and not said.startswith(VAGUE)), (reason, note))
    return replace(waiting, reason=reason, message=note[: views.LETTERS])


def _image(waiting: Waiting, told: list[tuple[str, str]]) -> Waiting:
    """An older kubelet's back-off names the image only; and that a pull Secret is missing is in Events alone."""
    said = waiting.message
    if "failed" not in said.lower() and ": " not in said:
        said = next((note for reason, note in told if reason == "Failed" and note.startswith("Failed to pull image")), said)
    secrets = next((note for reason, note in told if reason == "FailedToRetrieveImagePullSecret"), "").rstrip(".")
    return replace(waiting, message="; ".join(filter(None, (secrets, said)))[: views.LETTERS])


def _away(pod: PodView, node: Waiting) -> Waiting:
    """A node that is gone has no time: then the pod's own."""
    return replace(node, since=node.since or (pod.waiting.since if pod.waiting is not None else ""))


def _unclear(pod: PodView, now: datetime) -> bool:
    if pod.state != PodState.PENDING or pod.waiting is None:
        return False
    return pod.waiting.reason in IMAGE or (pod.waiting.reason in views.CREATING and _age(pod, now) > CREATING_SECONDS)


def _age(pod: PodView, now: datetime) -> float:
    """Seconds since the pod waits; infinite where its time cannot be read."""
    try:
        return (now - datetime.fromisoformat(pod.waiting.since if pod.waiting is not None else "")).total_seconds()
    except (TypeError, ValueError):
        return float("inf")
