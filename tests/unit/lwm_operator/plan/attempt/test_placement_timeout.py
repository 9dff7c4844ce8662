from lwm_operator.plan.attempt.placement_timeout import is_partially_placed, placement_timed_out
from lwm_operator.plan.observed import PodState, PodView, Waiting
from simulation.builders import later, pod

NOON = "2026-01-01T12:00:00Z"


def homeless(index: int) -> PodView:
    message = "0/2 nodes are available: 2 Insufficient google.com/tpu."
    return pod(index, state=PodState.PENDING, node=None, waiting=Waiting(reason="Unschedulable", message=message, since=NOON))


def test_a_partial_gang_gives_its_nodes_back_after_the_timeout() -> None:
    half = (pod(0), homeless(1))
    assert placement_timed_out(half, 900, later(899)) is None
    cause = placement_timed_out(half, 900, later(900))
    assert cause is not None
    assert cause.reason == "PlacementTimeout"
    assert cause.message.startswith("1 of 2 pods found no node for 900 s while the others held theirs: 0/2 nodes are available")


def test_a_gang_without_any_node_holds_nothing_and_waits_for_ever() -> None:
    assert placement_timed_out((homeless(0), homeless(1)), 900, later(1e6)) is None


def test_a_whole_gang_is_not_partial() -> None:
    assert not is_partially_placed((pod(0), pod(1, state=PodState.PENDING)))
