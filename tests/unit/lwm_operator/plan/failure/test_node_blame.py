import pytest

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.plan.failure.failure_classes import EXIT_CODES, POD_REASONS
from lwm_operator.plan.failure.node_blame import NODE_REASONS, blames_node
from simulation.builders import cause


def test_no_disruption_and_no_fault_of_the_program_blames_a_node() -> None:
    classes = {str(reason): failure_class for failure_class, reason in EXIT_CODES.values()} | POD_REASONS
    assert {classes[reason] for reason in NODE_REASONS if reason in classes} == {FailureClass.INFRA, FailureClass.HANG}


@pytest.mark.parametrize(
    "reason", ["StorageUnavailable", "StorageFull", "BucketDenied", "ClaimDenied", "Transient", "OutOfcpu", "NodeAffinity"]
)
def test_storage_network_and_room_are_not_the_nodes(reason: str) -> None:
    assert not blames_node(cause(reason=reason, node="a"))


def test_a_cause_without_a_node_blames_none() -> None:
    assert blames_node(cause(reason="DeviceFault", node="a"))
    assert not blames_node(cause(reason="DeviceFault"))
