"""Parse nodes: whether one is lost, and whether that is its own failure or its provider's decision."""

from lwm_operator.cluster.parse import Object, conditions
from lwm_operator.plan.observed import Waiting
from lwm_operator.plan.reasons import KubernetesReason, PendingReason

RECLAIM_TAINTS = (
    "node.cloudprovider.kubernetes.io/shutdown",
    "cloud.google.com/impending-node-termination",
    "aws-node-termination-handler/",
    "karpenter.sh/disrupted",
    "karpenter.sh/disruption",
    "ToBeDeletedByClusterAutoscaler",
)
"""Beginnings of the keys of taints that say that the node is about to go."""

SPOT_LABELS = {
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "eks.amazonaws.com/capacitytype": "spot",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Labels of nodes that their provider may take back at any time, with key and value in lower case."""

SHUTTING_DOWN = "node is shutting down"
"""What a kubelet says in the condition Ready during a graceful shutdown."""


def node_not_ready(name: str, body: Object | None) -> Waiting | None:
    """Return what to say of the pods on a node that is lost: NodeGone, NodeReclaimed or NodeNotReady; None when the node is ready."""
    if body is None:
        return Waiting(reason=KubernetesReason.NODE_GONE, message=f"node {name} is gone", since="")
    ready: Object = next((each for each in conditions(body) if each.get("type") == "Ready"), {})
    if ready.get("status") == "True":
        return None
    kubelet = str(ready.get("message") or "its kubelet has never reported")
    since = str(ready.get("lastTransitionTime") or "")
    if (sign := _reclaim_sign(body)) or SHUTTING_DOWN in kubelet:
        message = f"node {name} was taken back by its provider ({sign or 'it is shutting down'}): {kubelet}"
        return Waiting(reason=KubernetesReason.NODE_RECLAIMED, message=message, since=since)
    return Waiting(reason=PendingReason.NODE_NOT_READY, message=f"node {name} is not ready: {kubelet}", since=since)


def _reclaim_sign(body: Object) -> str:
    """Return the taint or the label that says that the provider takes the node back; empty when there is none."""
    taints = [str(taint.get("key") or "") for taint in (body.get("spec") or {}).get("taints") or ()]
    if (taint := next((key for key in taints if key.startswith(RECLAIM_TAINTS)), None)) is not None:
        return f"taint {taint}"
    labels = (body.get("metadata") or {}).get("labels") or {}
    spot = next((key for key, value in labels.items() if SPOT_LABELS.get(key.lower()) == str(value).lower()), None)
    return f"label {spot}" if spot is not None else ""
