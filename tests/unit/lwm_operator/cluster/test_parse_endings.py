"""Pods as kubelets leave them behind, through to the root cause: class, reason, message, and whether the node is blamed."""

from typing import Any

import pytest

from lwm_operator.api.attempt_status import RootCause
from lwm_operator.cluster.parse_pods import parse_pod
from lwm_operator.plan.attempt.root_cause import root_cause
from lwm_operator.plan.failure.node_blame import blames_node
from lwm_operator.plan.observed import PodState
from simulation.builders import job

PROXY = {"name": "istio-proxy", "resources": {"limits": {"memory": "1Gi"}}}
TRAINER = {"name": "trainer", "resources": {"limits": {"memory": "300Gi"}}}


def pod(index: int = 0, spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"p{index}",
            "uid": f"u{index}",
            "labels": {"lwm.dev/stage": "1", "lwm.dev/attempt": "1"},
            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)},
        },
        "spec": {"nodeName": f"n{index}", "containers": [PROXY, TRAINER], **(spec or {})},
        "status": {"phase": "Failed", **status},
    }


def ended(name: str, code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}}


def trainer(code: int, ended_by: str = "Error", words: str = "", **status: Any) -> dict[str, Any]:
    return pod(containerStatuses=[ended("trainer", code, ended_by, words)], **status)


def cause_of(body: dict[str, Any]) -> RootCause:
    """Return the root cause when host 0 ended so and its peer lost it."""
    peer = pod(1, containerStatuses=[ended("trainer", 79)])
    cause = root_cause((parse_pod(peer), parse_pod(body)), job())
    assert cause.host == 0, cause
    return cause


def target(reason: str) -> list[dict[str, str]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason}]


RUNC = "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: "


@pytest.mark.parametrize(
    ("body", "failure_class", "reason", "blamed"),
    [
        (trainer(255, "Unknown"), "Infra", "NodeRebooted", True),
        (trainer(137, "ContainerStatusUnknown", "The container could not be located"), "Infra", "ContainerStatusUnknown", True),
        (trainer(128, "StartError", f"{RUNC}error running hook #0: nvidia-container-cli: driver not loaded"), "Infra", "StartError", True),
        (trainer(128, "StartError", 'exec: "nvidia-container-runtime": executable file not found'), "Infra", "StartError", True),
        (trainer(128, "StartError", f"{RUNC}container init was OOM-killed (memory limit too low?)"), "App", "OOMKilled", False),
        (trainer(127, "ContainerCannotRun", "context deadline exceeded"), "Infra", "StartError", True),
        (trainer(128, "StartError", f'{RUNC}unable to start container process: exec: "python": not found'), "App", "ExitCode128", False),
        (trainer(255, "Error", "exec /opt/venv/bin/python: exec format error"), "App", "ExitCode255", False),
        (pod(reason="UnexpectedAdmissionError", message="Allocate failed"), "Infra", "UnexpectedAdmissionError", True),
        (pod(reason="OutOfnvidia.com/gpu", message="Node didn't have enough"), "Infra", "UnexpectedAdmissionError", True),
        (pod(reason="OutOfcpu", message="Node didn't have enough resource: cpu"), "Infra", "OutOfcpu", False),
        (pod(reason="OutOfephemeral-storage"), "Infra", "OutOfephemeral-storage", False),
        (pod(reason="NodeAffinity", message="Predicate NodeAffinity failed"), "Infra", "NodeAffinity", False),
        (pod(reason="TopologyAffinityError", message="Resources cannot be allocated"), "Infra", "PodFailed", True),
        (pod(reason="NodeShutdown", message="Pod was rejected as the node is shutting down."), "Disruption", "NodeShutdown", False),
        (trainer(81, reason="Terminated", message="imminent node shutdown"), "Disruption", "Terminated", False),
        (trainer(137, reason="Terminated", message="imminent node shutdown"), "Disruption", "Terminated", False),
        (pod(reason="Preempting", message="Preempted in order to admit critical pod"), "Disruption", "Preempting", False),
        (trainer(137, conditions=target("PreemptionByScheduler")), "Disruption", "Preempted", False),
        (trainer(137, conditions=target("EvictionByEvictionAPI")), "Disruption", "Evicted", False),
        (trainer(137, conditions=target("DeletionByTaintManager")), "Disruption", "TaintedNode", False),
        (trainer(137, conditions=target("DeletionByPodGC")), "Disruption", "NodeGone", False),
        (trainer(137, conditions=target("SomethingNew")), "Disruption", "Evicted", False),
        (trainer(137, reason="Evicted", message="The node was low on resource: memory."), "Disruption", "Evicted", False),
        (trainer(143, reason="DeadlineExceeded", message="Pod was active longer"), "App", "DeadlineExceeded", False),
        (trainer(137), "Infra", "Killed", True),
        (trainer(137, "OOMKilled"), "App", "OOMKilled", False),
        (trainer(83), "Infra", "DeviceFault", True),
    ],
)
def test_every_end_that_a_kubelet_writes(body: dict[str, Any], failure_class: str, reason: str, blamed: bool) -> None:
    cause = cause_of(body)
    assert (str(cause.failure_class), cause.reason, blames_node(cause)) == (failure_class, reason, blamed), cause
    assert cause.message.removeprefix("host 0 (p0 on node n0): ").strip()


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ('Usage of EmptyDir volume "shared-memory" exceeds the limit "16Gi". ', "raise accelerator.gpu.sharedMemory"),
        ('Usage of EmptyDir volume "cache" exceeds the limit "1Gi". ', "raise that volume's sizeLimit where it is added to the pod"),
        ('Container trainer exceeded its local ephemeral storage limit "10Gi". ', "raise podTemplate.resources.limits.ephemeral-storage"),
        (
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ",
            "raise podTemplate.resources.limits.ephemeral-storage",
        ),
        (
            'Container istio-proxy exceeded its local ephemeral storage limit "1Gi". ',
            "raise the ephemeral-storage limit of container istio-proxy where it is added to the pod",
        ),
    ],
)
def test_an_eviction_for_the_pods_own_overuse_is_the_programs_fault_and_says_what_to_raise(message: str, advice: str) -> None:
    cause = cause_of(trainer(137, reason="Evicted", message=message))
    assert (str(cause.failure_class), cause.reason, blames_node(cause)) == ("App", "EphemeralStorageExceeded", False)
    assert cause.message == f"host 0 (p0 on node n0): {message.strip()}: {advice}"


def test_a_condition_that_the_disruption_controller_took_back_is_no_disruption() -> None:
    taken_back = [{"type": "DisruptionTarget", "status": "False", "reason": "PreemptionByScheduler"}]
    assert cause_of(trainer(70, conditions=taken_back)).reason == "UncaughtException"


def test_an_init_container_that_fails_is_named_and_no_node_is_blamed() -> None:
    waiting = {"name": "trainer", "state": {"waiting": {"reason": "PodInitializing"}}}
    vault = ended("vault-agent-init", 2, message="permission denied: role trainer")
    cause = cause_of(pod(initContainerStatuses=[ended("istio-init", 0), vault], containerStatuses=[waiting]))
    assert (str(cause.failure_class), cause.reason, blames_node(cause)) == ("App", "ContainerFailed", False)
    assert cause.message == "host 0 (p0 on node n0): init container vault-agent-init ended with 2: permission denied: role trainer"
    mute = cause_of(pod(initContainerStatuses=[ended("vault-agent-init", 65)], containerStatuses=[waiting]))
    assert (mute.message, mute.exit_code) == ("host 0 (p0 on node n0): init container vault-agent-init ended with 65", None)


def test_a_node_that_reboots_while_an_init_container_runs_is_blamed_as_ever() -> None:
    cause = cause_of(pod(initContainerStatuses=[ended("setup", 255, "Unknown")]))
    assert (cause.reason, blames_node(cause)) == ("NodeRebooted", True)


def test_a_failed_sidecar_is_named_where_the_trainer_has_not_ended() -> None:
    native = {"initContainers": [{"name": "tcpx", "restartPolicy": "Always"}]}
    assert (
        "sidecar tcpx ended with 1: no device"
        in cause_of(pod(spec=native, initContainerStatuses=[ended("tcpx", 1, message="no device")])).message
    )
    assert "container istio-proxy ended with 3" in cause_of(pod(containerStatuses=[ended("istio-proxy", 3)])).message


def test_the_trainers_own_end_comes_before_that_of_any_other_container_wherever_it_stands() -> None:
    both = pod(initContainerStatuses=[ended("setup", 0)], containerStatuses=[ended("istio-proxy", 1), ended("trainer", 70)])
    assert cause_of(both).reason == "UncaughtException"
    done = parse_pod(pod(containerStatuses=[ended("istio-proxy", 1), ended("trainer", 0)]))
    assert done.state == PodState.SUCCEEDED
    goes_on = {"name": "trainer", "state": {"running": {}}}
    alive = parse_pod(pod(phase="Running", containerStatuses=[ended("istio-proxy", 1), goes_on]))
    assert (alive.state, alive.exit_code, alive.container) == (PodState.RUNNING, None, "")


def test_a_container_that_could_not_be_started_says_why() -> None:
    waiting = {"name": "trainer", "state": {"waiting": {"reason": "RunContainerError", "message": "cgroup: no such device"}}}
    cause = cause_of(pod(containerStatuses=[waiting]))
    assert (cause.reason, cause.message) == ("StartError", "host 0 (p0 on node n0): cgroup: no such device")


def test_out_of_memory_names_the_limit_of_the_container_that_reached_it() -> None:
    assert "the container's limit of 300Gi was reached: raise podTemplate" in cause_of(trainer(137, "OOMKilled")).message
    small = {"initContainers": [{"name": "setup", "resources": {"limits": {"memory": "64Mi"}}}]}
    cause = cause_of(pod(spec=small, initContainerStatuses=[ended("setup", 137, "OOMKilled")]))
    assert (str(cause.failure_class), cause.reason) == ("App", "OOMKilled")
    assert "the limit of 64Mi of init container setup was reached" in cause.message
    assert (
        parse_pod(pod(spec={"containers": [{"name": "trainer"}]}, containerStatuses=[ended("trainer", 137, "OOMKilled")])).memory_limit
        == ""
    )
