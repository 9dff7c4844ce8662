"""Faults of a cluster, caused in an embedded one, and how each is undone. For pods: `devcluster.pods`, `devcluster.out_of_memory`.

Both nodes share one network with the API server, so node 1 can be lost too, but the object store lives there: lose node 2."""

import json
import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from devcluster import cgroups, control_plane, nodes
from devcluster.network import inside
from devcluster.paths import Cluster, Node
from devcluster.processes import Process, init_of, members
from devcluster.run import ClusterError, output, say, succeeds, until
from devcluster.storage import kubectl

RETURN_SECONDS = 120


def lose(node: Node) -> None:
    """The machine is gone at once, as by a loss of power. Peers of its pods see silence: no reset, no end of the stream; the
    API server hears nothing and calls the node NotReady 40 to 50 s later. `revive` undoes it: a machine that boots."""
    init = running(node)
    cut(node)
    end(node.cluster, "kubelet", init.namespace)  # before any pod dies: it would report their end
    end(node.cluster, "containerd", init.namespace)
    os.kill(init.pid, signal.SIGKILL)  # the kernel ends the rest with it, shims and containers too
    until(
        f"{node.name} is dead",
        lambda: not any(p.namespace == init.namespace for p in members(node.cluster)),
        seconds=30,
        hint="`cat /proc/<pid>/stack` shows where a process is stuck",
    )
    cgroups.remove(node.cgroup.strip("/"))  # raises where a container lives on; and a machine that boots has none
    say(f"{node.name} is lost")


def orphan(node: Node) -> None:
    """The node's management dies and its containers live on, which the API server cannot tell from a lost machine: zombies. What
    they print is kept for them up to about 100 KiB; past that their writes wait. `revive` undoes it; the kubelet then
    ends the pods that were deleted meanwhile."""
    init = running(node)
    end(node.cluster, "kubelet", init.namespace)
    end(node.cluster, "containerd", init.namespace)
    say(f"{node.name} is orphaned: its containers run on")


def revive(node: Node) -> None:
    """Undo `lose`, `orphan` and `cut`: link, namespaces, containerd and kubelet as at the start. Returns when the kubelet has
    reported Ready again and every pod that was deleted meanwhile is gone."""
    since = datetime.now(UTC).replace(microsecond=0)
    mend(node)
    nodes.start_containerd(node)
    nodes.wait_for_containerd(node)
    nodes.start_kubelet(node)
    hint = f"Its log: {node.state}/kubelet.log"
    until(f"{node.name} is Ready again", lambda: ready_since(node_object(node), since), seconds=RETURN_SECONDS, hint=hint)
    until(f"the old pods of {node.name} are gone", lambda: not any(map(ending, pods_on(node))), seconds=RETURN_SECONDS, hint=hint)
    say(f"{node.name} is back")


def cut(node: Node) -> None:
    """Drop every packet from and to the node's pods, without telling either side, as a dead link does. The kubelet lives in the
    cluster's own network and keeps reporting. `mend` undoes it."""
    for rule in silence(node):
        if not succeeds(iptables(node.cluster, "--check", *rule)):
            output(iptables(node.cluster, "--insert", *rule))


def mend(node: Node) -> None:
    """Undo `cut`; connections that outlived it go on."""
    for rule in silence(node):
        while succeeds(iptables(node.cluster, "--check", *rule)):
            output(iptables(node.cluster, "--delete", *rule))


def api_down(cluster: Cluster) -> None:
    """kill -9 of the API server; etcd keeps what it had. Watches end, every request is refused; pods run on."""
    end(cluster, "kube-apiserver")


def api_up(cluster: Cluster) -> None:
    """Undo `api_down`; returns when /readyz answers 200. Starts what else of the control plane has died, too."""
    control_plane.up(cluster)


def drain(node: Node, namespace: str) -> list[str]:
    """Cordon the node and evict the namespace's pods from it, as `kubectl drain` would for all namespaces: SIGTERM, grace, and the
    condition DisruptionTarget while the pod exists. Returns the names of the pods. `uncordon` undoes the first half."""
    output(kubectl(node.cluster, "cordon", node.name))
    names = [pod["metadata"]["name"] for pod in pods_on(node) if pod["metadata"]["namespace"] == namespace and not over(pod)]
    for name in names:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        output(kubectl(node.cluster, "create", "--raw", path, "--filename=-"), stdin=json.dumps(eviction))
    return names


def uncordon(node: Node) -> None:
    """Pods may be placed on the node again."""
    output(kubectl(node.cluster, "uncordon", node.name))


def running(node: Node) -> Process:
    """First process of the node. Raises ClusterError where the node is down already."""
    init = init_of(node)
    if init is None:
        raise ClusterError(f"{node.name} of {node.cluster.name} is down already: `python -m devcluster revive {node.name}` brings it back")
    return init


def end(cluster: Cluster, program: str, namespace: str | None = None) -> None:
    """SIGKILL the program, in one node's process namespace where that is given, and return when it is gone."""

    def living() -> list[Process]:
        return [p for p in members(cluster) if p.program == program and namespace in (None, p.namespace)]

    for process in living():
        os.kill(process.pid, signal.SIGKILL)
    until(f"{program} of {cluster.name} is dead", lambda: not living(), seconds=10, hint="`cat /proc/<pid>/stack` shows where it is stuck")


def silence(node: Node) -> list[list[str]]:
    """The rules of `cut`, without their verb. In the raw table: before any translation of a Service's address."""
    drop = ["--jump", "DROP"]
    return [
        ["PREROUTING", "--source", node.pod_subnet, *drop],
        ["PREROUTING", "--destination", node.pod_subnet, *drop],
        ["OUTPUT", "--destination", node.pod_subnet, *drop],
    ]


def iptables(cluster: Cluster, verb: str, *rule: str) -> list[str]:
    return inside(cluster, "iptables", "--wait", "10", "--table", "raw", verb, *rule)


def ready_since(node: Mapping[str, Any], since: datetime) -> bool:
    """Whether the kubelet itself has reported Ready at `since` or later: the status from before its end may still be there."""
    ready = (condition for condition in node["status"]["conditions"] if condition["type"] == "Ready")
    return any(it["status"] == "True" and datetime.fromisoformat(it["lastHeartbeatTime"]) >= since for it in ready)


def node_object(node: Node) -> dict[str, Any]:
    """The node as the API server sees it."""
    manifest: dict[str, Any] = json.loads(output(kubectl(node.cluster, "get", "node", node.name, "--output=json")))
    return manifest


def pods_on(node: Node) -> list[dict[str, Any]]:
    """Every pod that is bound to the node, in all namespaces."""
    listing = output(
        kubectl(node.cluster, "get", "pods", "--all-namespaces", f"--field-selector=spec.nodeName={node.name}", "--output=json")
    )
    pods: list[dict[str, Any]] = json.loads(listing)["items"]
    return pods


def ending(pod: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def over(pod: Mapping[str, Any]) -> bool:
    return pod["status"]["phase"] in ("Succeeded", "Failed")
