"""The nodes that later attempts avoid: those that were the root cause repeatedly within a day.

A slice of several TPU hosts lies in one node pool. A pod of it cannot avoid a single node, so it avoids the pool with such a node.
"""

from collections import Counter
from datetime import datetime

from lwm_operator.api.attempt_status import AVOIDED_NODES, RootCause
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import KEPT_FAULTS, NodeFault
from lwm_operator.plan.failure.node_blame import blames_node
from lwm_operator.plan.timestamps import seconds_since, stamp

DAY_SECONDS = 86400.0
LIFT_SECONDS = 1800.0
"""When an attempt finds no node for this long, running on a node that failed before is better than not running. Autoscalers need minutes
to provide another node, and for accelerators often a quarter of an hour."""


def record_node_fault(faults: tuple[NodeFault, ...], cause: RootCause, now: datetime) -> tuple[NodeFault, ...]:
    """The faults of the last day, with this one added when its cause may lie with a node."""
    recent = tuple(fault for fault in faults if seconds_since(fault.at, now) < DAY_SECONDS)
    if cause.node is None or not blames_node(cause):
        return recent
    return (*recent, NodeFault(node=cause.node, node_pool=cause.node_pool, at=stamp(now)))[-KEPT_FAULTS:]


def nodes_to_avoid(faults: tuple[NodeFault, ...], policy: FailurePolicy, now: datetime) -> tuple[str, ...]:
    """The nodes that the next attempt avoids, the one with most faults first."""
    if policy.avoid_nodes_after == 0:
        return ()
    counts = Counter(fault.node for fault in faults if seconds_since(fault.at, now) < DAY_SECONDS)
    offenders = sorted((node for node in counts if counts[node] >= policy.avoid_nodes_after), key=lambda node: (-counts[node], node))
    return tuple(offenders[:AVOIDED_NODES])


def node_pools_to_avoid(faults: tuple[NodeFault, ...], policy: FailurePolicy, now: datetime) -> tuple[str, ...]:
    """The node pools of those nodes, as far as they are known."""
    pools = {fault.node: fault.node_pool for fault in faults if fault.node_pool is not None}
    return tuple(dict.fromkeys(pools[node] for node in nodes_to_avoid(faults, policy, now) if node in pools))


def oldest_avoided(faults: tuple[NodeFault, ...], avoided: tuple[str, ...]) -> str:
    """The one of the avoided nodes or node pools whose last fault is the longest ago: the first that is used again."""
    last_fault = {name: fault.at for fault in faults for name in (fault.node, fault.node_pool)}
    return min(avoided, key=lambda name: (last_fault.get(name, ""), name))


def forget_faults(faults: tuple[NodeFault, ...], name: str) -> tuple[NodeFault, ...]:
    """The faults without those of this node or node pool, which is used again."""
    return tuple(fault for fault in faults if name not in (fault.node, fault.node_pool))
