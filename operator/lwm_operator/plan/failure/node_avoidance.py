"""The nodes that later attempts avoid: those that were the root cause repeatedly within a day."""

from collections import Counter
from datetime import datetime

from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import AVOIDED_NODES, KEPT_FAULTS, NodeFault, RootCause
from lwm_operator.plan.failure.node_blame import blames_node
from lwm_operator.plan.timestamps import seconds_since, stamp

DAY_SECONDS = 86400.0
LIFT_SECONDS = 60.0
"""When an attempt finds no node for this long, running on a node that failed before is better than not running."""


def record_node_fault(faults: tuple[NodeFault, ...], cause: RootCause, now: datetime) -> tuple[NodeFault, ...]:
    """The faults of the last day, with this one added when its cause may lie with a node."""
    recent = tuple(fault for fault in faults if seconds_since(fault.at, now) < DAY_SECONDS)
    if cause.node is None or not blames_node(cause):
        return recent
    return (*recent, NodeFault(node=cause.node, at=stamp(now)))[-KEPT_FAULTS:]


def nodes_to_avoid(faults: tuple[NodeFault, ...], policy: FailurePolicy, now: datetime) -> tuple[str, ...]:
    """The nodes that the next attempt avoids, the one with most faults first."""
    if policy.avoid_nodes_after == 0:
        return ()
    counts = Counter(fault.node for fault in faults if seconds_since(fault.at, now) < DAY_SECONDS)
    offenders = sorted((node for node in counts if counts[node] >= policy.avoid_nodes_after), key=lambda node: (-counts[node], node))
    return tuple(offenders[:AVOIDED_NODES])
