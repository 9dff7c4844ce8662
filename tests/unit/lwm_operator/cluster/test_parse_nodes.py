from typing import Any

import pytest

from lwm_operator.cluster.parse_nodes import node_not_ready


def node(ready: dict[str, str], labels: dict[str, str] | None = None, taints: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "metadata": {"name": "node1", "labels": labels or {}},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]},
        "status": {"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", **ready}]},
    }


SILENT = {"status": "Unknown", "message": "Kubelet stopped posting node status.", "lastTransitionTime": "t"}


def lost(body: dict[str, Any] | None) -> tuple[str, str, str]:
    waiting = node_not_ready("node1", body)
    assert waiting is not None
    return waiting.reason, waiting.message, waiting.since


def test_a_node_that_is_gone_or_not_ready_is_lost_and_says_why() -> None:
    assert node_not_ready("node1", node({"status": "True"})) is None
    assert lost(node(SILENT)) == ("NodeNotReady", "node node1 is not ready: Kubelet stopped posting node status.", "t")
    assert lost({"metadata": {}}) == ("NodeNotReady", "node node1 is not ready: its kubelet has never reported", "")
    assert lost(None) == ("NodeGone", "node node1 is gone", "")


@pytest.mark.parametrize(
    "body",
    [
        node(SILENT, {"cloud.google.com/gke-spot": "true"}),
        node(SILENT, {"cloud.google.com/gke-preemptible": "true"}),
        node(SILENT, {"eks.amazonaws.com/capacityType": "SPOT"}),
        node(SILENT, {"karpenter.sh/capacity-type": "spot"}),
        node(SILENT, {"kubernetes.azure.com/scalesetpriority": "spot"}),
        node(SILENT, taints=("cloud.google.com/impending-node-termination",)),
        node(SILENT, taints=("node.kubernetes.io/unreachable", "aws-node-termination-handler/spot-itn")),
        node(SILENT, taints=("karpenter.sh/disrupted",)),
        node(SILENT, taints=("ToBeDeletedByClusterAutoscaler",)),
        node(SILENT, taints=("node.cloudprovider.kubernetes.io/shutdown",)),
        node({"status": "False", "message": "node is shutting down", "lastTransitionTime": "t"}),
    ],
)
def test_a_node_that_its_provider_takes_back_is_lost_without_a_fault(body: dict[str, Any]) -> None:
    reason, message, since = lost(body)
    assert (reason, since) == ("NodeReclaimed", "t")
    assert message.startswith("node node1 was taken back by its provider (")


@pytest.mark.parametrize(
    "body",
    [
        node(SILENT, {"karpenter.sh/capacity-type": "on-demand"}),
        node(SILENT, {"cloud.google.com/gke-spot": "false"}),
        node(SILENT, taints=("node.kubernetes.io/unreachable", "nvidia.com/gpu")),
    ],
)
def test_any_other_node_that_is_not_ready_failed_by_itself(body: dict[str, Any]) -> None:
    assert lost(body)[0] == "NodeNotReady"


def test_a_spot_node_that_is_ready_is_not_lost() -> None:
    assert node_not_ready("node1", node({"status": "True"}, {"cloud.google.com/gke-spot": "true"})) is None
