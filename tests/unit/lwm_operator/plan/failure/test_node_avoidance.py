from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import KEPT_FAULTS, FailureClass, NodeFault
from lwm_operator.plan.failure.node_avoidance import nodes_to_avoid, record_node_fault
from lwm_operator.plan.timestamps import stamp
from simulation.builders import NOW, cause, later

POLICY = FailurePolicy(avoid_nodes_after=2)


def faults(*nodes: str) -> tuple[NodeFault, ...]:
    return tuple(NodeFault(node=node, at=stamp(NOW)) for node in nodes)


def test_a_node_is_avoided_after_its_second_fault_within_a_day() -> None:
    assert nodes_to_avoid(faults("a"), POLICY, NOW) == ()
    assert nodes_to_avoid(faults("a", "b", "a"), POLICY, NOW) == ("a",)
    assert nodes_to_avoid(faults("a", "a"), POLICY, later(86401)) == ()


def test_the_node_with_most_faults_comes_first_and_the_list_is_bounded() -> None:
    many = faults(*[f"n{number:02}" for number in range(20)] * 2, "n19")
    avoided = nodes_to_avoid(many, POLICY, NOW)
    assert (len(avoided), avoided[0]) == (16, "n19")


def test_avoid_nodes_after_zero_avoids_none() -> None:
    assert nodes_to_avoid(faults("a", "a", "a"), FailurePolicy(avoid_nodes_after=0), NOW) == ()


def test_only_failures_that_may_lie_with_the_node_count_against_it() -> None:
    for failure_class, reason, counts in (
        (FailureClass.INFRA, "DeviceFault", 1),
        (FailureClass.HANG, "Hang", 1),
        (FailureClass.APP, "OOMKilled", 0),
        (FailureClass.DISRUPTION, "NodeGone", 0),
    ):
        assert len(record_node_fault((), cause(failure_class, reason, node="a"), NOW)) == counts
    assert record_node_fault((), cause(FailureClass.INFRA, "StorageUnavailable", node="a"), NOW) == ()
    assert record_node_fault((), cause(FailureClass.INFRA, "HostLost"), NOW) == ()


def test_old_faults_are_forgotten_and_the_list_is_bounded() -> None:
    assert record_node_fault(faults("a"), cause(node="b"), later(86401)) == (NodeFault(node="b", at=stamp(later(86401))),)
    assert len(record_node_fault(faults(*["a"] * KEPT_FAULTS), cause(node="b"), NOW)) == KEPT_FAULTS
