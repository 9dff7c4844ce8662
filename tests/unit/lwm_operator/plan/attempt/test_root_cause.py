from typing import Any

import pytest

from lwm_operator.api.attempt_status import FailureClass
from lwm_operator.plan.attempt.root_cause import more_specific_cause, root_cause
from lwm_operator.plan.failure.failure_classes import EXIT_CODES
from lwm_operator.plan.observed import PodState, PodView
from lwm_trainer.config import SECONDARY_EXIT_CODES, ExitCode, TerminationMessage
from simulation.builders import job, pod


def failed(index: int, code: int | None, reason: str = "Error", **changes: Any) -> PodView:
    return pod(index, state=PodState.FAILED, exit_code=code, reason=reason, **changes)


@pytest.mark.parametrize(
    ("pods", "index", "reason"),
    [
        ((failed(0, 79), failed(1, 137)), 1, "Killed"),
        ((failed(0, 134), failed(1, 70)), 1, "UncaughtException"),
        ((failed(0, 137), failed(1, 65)), 1, "BadData"),
        ((failed(0, 65), failed(1, 137, "OOMKilled")), 1, "OOMKilled"),
        ((failed(0, 143), failed(1, None, "Evicted")), 1, "Evicted"),
        ((failed(0, 81), failed(1, 139)), 1, "SegmentationFault"),
        ((failed(0, 79), failed(1, 81)), 1, "SavedOnRequest"),
        ((failed(0, 79), pod(1, deleting=True)), 1, "PodDeleted"),
        ((failed(0, 3), pod(1)), 0, "ExitCode3"),
    ],
)
def test_a_reason_of_its_own_comes_before_a_victim(pods: tuple[PodView, ...], index: int, reason: str) -> None:
    for order in (pods, pods[::-1]):
        cause = root_cause(order, job())
        assert (cause.reason, cause.pod, cause.node) == (reason, f"bible-s1-a1-{index}", f"node{index + 1}")


def test_when_only_victims_report_no_node_is_blamed_but_that_of_the_one_silent_host() -> None:
    gone = root_cause((failed(0, 79), failed(1, 134)), job())
    assert (gone.reason, gone.pod, gone.node) == ("HostLost", None, None)
    silent = root_cause((failed(0, 79), pod(1)), job())
    assert (silent.reason, silent.pod, silent.node) == ("HostLost", "bible-s1-a1-1", "node2")
    several = root_cause((failed(0, 79), pod(1), pod(2)), job())
    assert (several.reason, several.node) == ("HostLost", None)


def test_a_termination_message_is_quoted() -> None:
    words = TerminationMessage(code=65, reason="BadData", message="tokenizer.json: not there: upload it")
    cause = root_cause((failed(1, 65, termination_message=words),), job())
    assert cause.message == "host 1 (bible-s1-a1-1 on node node2): tokenizer.json: not there: upload it"
    assert cause.failure_class == FailureClass.PERMANENT


def test_without_pods_the_job_gives_the_cause() -> None:
    assert root_cause((), None).reason == "JobDeleted"
    assert root_cause((), job(failed=True, message="Pod failed")).message == "Pod failed"
    assert root_cause((), job()).reason == "CompletedWithoutCheckpoint"


@pytest.mark.parametrize(
    ("ended", "failure_class"),
    [
        *((failed(0, code), FailureClass.PERMANENT) for code in (64, 65, 66, 78)),
        *((failed(0, code), FailureClass.APP) for code in (1, 2, 70, 71, 255)),
        *((failed(0, code), FailureClass.INFRA) for code in (75, 77, 79, 134, 137, 139, 143)),
        (failed(0, 76), FailureClass.HANG),
        (failed(0, 80), FailureClass.DIVERGED),
        (failed(0, 81), FailureClass.DISRUPTION),
        (failed(0, 82), FailureClass.GATE),
        (failed(0, 137, "OOMKilled"), FailureClass.APP),
        *((failed(0, None, reason), FailureClass.DISRUPTION) for reason in ("Evicted", "Preempted", "TaintedNode", "Shutdown")),
        *((failed(0, None, reason), FailureClass.INFRA) for reason in ("NodeLost", "UnexpectedAdmissionError", "OutOfmemory")),
        *((failed(0, code, deleting=True), FailureClass.DISRUPTION) for code in (137, 143)),
        (pod(0, deleting=True), FailureClass.DISRUPTION),
    ],
)
def test_every_ending_has_its_class(ended: PodView, failure_class: FailureClass) -> None:
    assert root_cause((ended,), job()).failure_class == failure_class


def test_every_exit_code_of_the_contract_has_a_class() -> None:
    own = set(ExitCode) - {ExitCode.COMPLETE, ExitCode.PEER_LOST}
    assert own <= set(EXIT_CODES)
    assert not SECONDARY_EXIT_CODES & set(EXIT_CODES)


def test_a_node_that_is_not_ready_explains_its_pod() -> None:
    cause = root_cause((failed(0, 134), pod(1)), job(), {"node2": "NodeNotReady"})
    assert (cause.failure_class, cause.reason, cause.node, cause.host) == (FailureClass.INFRA, "NodeNotReady", "node2", 1)
    assert cause.message == "host 1 (bible-s1-a1-1 on node node2): node node2 is not ready"
    own = root_cause((failed(1, 65),), job(), {"node2": "NodeNotReady"})
    assert own.reason == "BadData", "a reason of its own is not the node's"


def test_the_host_that_is_behind_is_the_cause_when_several_hang() -> None:
    def hung(index: int, step: int) -> PodView:
        return failed(index, 76, termination_message=TerminationMessage(code=76, reason="Hang", message=f"at step {step}", step=step))

    assert root_cause((hung(0, 12), hung(1, 11), hung(2, 12)), job()).host == 1


def device_fault(index: int) -> PodView:
    words = TerminationMessage(code=83, reason="DeviceFault", message="JaxRuntimeError: INTERNAL: CUDA_ERROR_ECC_UNCORRECTABLE")
    return failed(index, 83, termination_message=words)


@pytest.mark.parametrize("sick", [0, 1, 2, 3])
@pytest.mark.parametrize("other", [79, 134, 139, 143, 137, 75, 70, 76, 81])
def test_a_device_fault_explains_the_gang_whatever_the_other_hosts_report(sick: int, other: int) -> None:
    pods = tuple(device_fault(index) if index == sick else failed(index, other) for index in range(4))
    cause = root_cause(pods, job())
    assert (cause.failure_class, cause.reason, cause.host, cause.node) == (FailureClass.INFRA, "DeviceFault", sick, f"node{sick + 1}")
    assert "ECC_UNCORRECTABLE" in cause.message


@pytest.mark.parametrize(("code", "reason"), [(255, "NodeRebooted"), (128, "StartError"), (137, "ContainerStatusUnknown")])
def test_what_the_kubelet_knows_of_a_node_explains_the_gang(code: int, reason: str) -> None:
    cause = root_cause((failed(0, 75), failed(1, code, reason), failed(2, 79)), job())
    assert (cause.failure_class, cause.reason, cause.node) == (FailureClass.INFRA, reason, "node2")


def test_device_faults_of_several_hosts_at_once_blame_no_node() -> None:
    cause = root_cause((failed(0, 79), device_fault(1), device_fault(2)), job())
    assert (cause.reason, cause.host, cause.node) == ("DeviceFault", 1, None)
    assert cause.message.startswith("devices of 2 hosts failed together, so no node is suspected: host 1 (")


@pytest.mark.parametrize(
    ("steps", "node"),
    [
        ((12, 12, 12, 12), None),
        ((12, 12, 11, 12), "node3"),
        ((12, 11, 11, 12), None),
        ((12, None, 12, 12), None),
        ((11, 12), "node1"),
        ((12,), "node1"),
    ],
)
def test_of_hosts_that_hang_only_one_that_is_behind_is_suspect(steps: tuple[int | None, ...], node: str | None) -> None:
    def hung(index: int, step: int | None) -> PodView:
        words = TerminationMessage(code=76, reason="Hang", message="no step", step=step) if step is not None else None
        return failed(index, 76, termination_message=words)

    cause = root_cause(tuple(hung(index, step) for index, step in enumerate(steps)), job())
    assert (cause.failure_class, cause.reason, cause.node) == (FailureClass.HANG, "Hang", node)
    assert ("no node is suspected" in cause.message) == (node is None)


def test_the_last_pod_that_is_left_of_hosts_that_hung_together_is_not_the_suspect() -> None:
    left = failed(0, 76, termination_message=TerminationMessage(code=76, reason="Hang", message="no step", step=12))
    causes = [root_cause((left,), job(hosts=hosts)) for hosts in (2, 1)]
    assert [(cause.reason, cause.node) for cause in causes] == [("Hang", None), ("Hang", "node1")]
    assert root_cause((left,), None).node is None, "without the Job nobody knows how many there were"


def test_the_watchdog_that_is_first_says_nothing_of_its_own_node() -> None:
    cause = root_cause((failed(0, 79), failed(1, 76), failed(2, 134)), job())
    assert (cause.reason, cause.host, cause.node) == ("Hang", 1, None)


def test_a_node_that_its_provider_took_back_is_a_disruption() -> None:
    for reason in ("NodeGone", "NodeReclaimed"):
        cause = root_cause((failed(0, 79), pod(1)), job(), {"node2": reason})
        assert (cause.failure_class, cause.reason, cause.host) == (FailureClass.DISRUPTION, reason, 1)
        assert "node node2" in cause.message


def test_out_of_memory_names_the_limit_and_the_fix() -> None:
    message = root_cause((failed(1, 137, "OOMKilled", memory_limit="2Gi"),), job()).message
    assert "limit of 2Gi" in message
    assert "podTemplate.resources.limits.memory" in message


def test_the_narrower_reason_of_the_trainer_is_used() -> None:
    words = TerminationMessage(code=65, reason="BucketMissing", message="checkpoint.uri gs://x: bucket 'x' does not exist")
    assert root_cause((failed(0, 65, termination_message=words),), job()).reason == "BucketMissing"
    unknown = TerminationMessage(code=70, reason="SomethingElse", message="x")
    assert root_cause((failed(0, 70, termination_message=unknown),), job()).reason == "UncaughtException", (
        "a word that nobody can look up is none"
    )
    other = TerminationMessage(code=70, reason="UncaughtException")
    assert root_cause((failed(0, 137, termination_message=other),), job()).reason == "Killed", "words that are not of this end do not count"


def test_pods_that_are_deleted_with_their_job_are_victims() -> None:
    pods = (failed(1, 79), pod(0, deleting=True))
    assert root_cause(pods, job()).reason == "PodDeleted"
    assert root_cause(pods, None).reason == "HostLost"


def test_a_host_whose_pod_is_gone_was_deleted_and_explains_its_peers() -> None:
    for peer in (failed(0, 79), failed(0, 134), failed(0, 81)):
        cause = root_cause((peer,), job(failed_indexes=frozenset({0, 1})))
        assert (cause.failure_class, cause.reason, cause.host) == (FailureClass.DISRUPTION, "PodDeleted", 1)
    assert root_cause((failed(0, 70),), job(failed_indexes=frozenset({0, 1}))).reason == "UncaughtException", (
        "a cause of its own comes first"
    )
    assert root_cause((failed(0, 79),), job(failed_indexes=frozenset({0}))).reason == "HostLost", "host 1 is only not there yet"


def test_a_later_observation_of_victims_alone_does_not_replace_the_cause() -> None:
    deleted, victims = root_cause((pod(0, deleting=True),), job()), root_cause((failed(0, 143), failed(1, 79)), job(failed=True))
    uncaught = root_cause((failed(1, 70),), job())
    assert more_specific_cause(deleted, victims) == deleted
    assert more_specific_cause(victims, uncaught) == uncaught
    assert more_specific_cause(None, victims) == victims


def test_process_1_aborts_with_139_and_is_a_victim_while_another_host_is_silent() -> None:
    frozen = root_cause((failed(0, 139), pod(1)), job())
    assert (frozen.reason, frozen.host, frozen.node) == ("HostLost", 1, "node2")
    lost = root_cause((failed(0, 139), pod(1)), job(), {"node2": "NodeNotReady"})
    assert (lost.reason, lost.host) == ("NodeNotReady", 1)
    crashed = root_cause((failed(0, 139), failed(1, 79)), job())
    assert (crashed.reason, crashed.host) == ("SegmentationFault", 0), "its peer saw it go"
