from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.api.failure_policy import FailurePolicy
from lwm_operator.api.status import KEPT_FAULTS, NodeFault
from lwm_operator.plan.failure.node_avoidance import forget_faults, node_pools_to_avoid, nodes_to_avoid, oldest_avoided, record_node_fault
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


def test_exclusions_are_lifted_one_by_one_the_oldest_first() -> None:
    moments = {"c": 10, "a": 20, "b": 30}
    known = tuple(NodeFault(node=node, at=stamp(later(seconds + again))) for again in (0, 100) for node, seconds in moments.items())
    known = (*known, NodeFault(node="c", at=stamp(later(500))))
    order = []
    while avoided := nodes_to_avoid(known, POLICY, later(600)):
        order.append(oldest_avoided(known, avoided))
        known = forget_faults(known, order[-1])
    assert order == ["a", "b", "c"]
    assert oldest_avoided(faults("a"), ("a", "unknown")) == "unknown", "its faults are too old to be known"


def test_on_slices_of_several_hosts_the_pool_of_a_faulty_node_is_avoided() -> None:
    def fault(node: str, pool: str | None) -> NodeFault:
        return NodeFault(node=node, node_pool=pool, at=stamp(NOW))

    once_each = (fault("a1", "pool-a"), fault("a2", "pool-a"))
    assert node_pools_to_avoid(once_each, POLICY, NOW) == (), "no node of it failed twice"
    known = (*once_each, fault("a1", "pool-a"), fault("b1", None), fault("b1", None))
    assert node_pools_to_avoid(known, POLICY, NOW) == ("pool-a",), "the pool of b1 is not known"
    assert oldest_avoided(known, ("pool-a",)) == "pool-a"
    assert node_pools_to_avoid(forget_faults(known, "pool-a"), POLICY, NOW) == ()


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
