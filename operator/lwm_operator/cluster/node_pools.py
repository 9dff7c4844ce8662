"""Reads the node pools of failed hosts, where all pods of a Job must run in one: a single node of such a pool cannot be avoided."""

from collections.abc import Mapping, Sequence

from lwm_operator.cluster import parse
from lwm_operator.cluster.client import Body
from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.plan.observed import PodState, PodView

MAX_NODES = 8
"""Nodes that are read in one pass."""


async def find_node_pools(reader: NodeReader, pods: Sequence[Body], views: Sequence[PodView]) -> Mapping[str, str]:
    """Return the node pool of each node of the newest attempt on which a pod failed or is being deleted; `views` are the same pods."""
    newest = max(((view.stage, view.attempt) for view in views), default=None)
    topology_keys = {
        view.node: key
        for body, view in zip(pods, views, strict=True)
        if (view.stage, view.attempt) == newest and view.node is not None
        if view.state == PodState.FAILED or view.deleting
        if (key := _shared_topology(body)) is not None
    }
    nodes = await reader.read(sorted(topology_keys)[:MAX_NODES])
    pools = {name: parse.labels(node).get(topology_keys[name]) for name, node in nodes.items() if node is not None}
    return {name: str(pool) for name, pool in pools.items() if pool}


def _shared_topology(pod: Body) -> str | None:
    """Return the label whose value the nodes of all pods of the Job must share; None where each pod may run anywhere."""
    affinity = ((pod.get("spec") or {}).get("affinity") or {}).get("podAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    return next((str(term["topologyKey"]) for term in terms), None)
