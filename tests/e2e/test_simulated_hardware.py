"""Simulated nodes: they offer TPUs and GPUs that they do not have. Pods land on the right nodes, a gang that does not fit waits with its
reason, and the containers run on CPU devices through the whole life of an attempt."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devcluster.paths import Cluster
from devcluster.trainings import manifest, pods_of, status, status_when, until, wait_for_complete
from tools.kubectl import Kubectl

pytestmark = pytest.mark.serial  # it counts the pods that find room
CPU_DEVICES = {"env": [{"name": "JAX_PLATFORMS", "value": "cpu"}]}
POOL = "cloud.google.com/gke-nodepool"


def tpu_labels(accelerator: str, topology: str, pool: str) -> dict[str, str]:
    """The labels that GKE gives a node of a TPU slice."""
    return {"cloud.google.com/gke-tpu-accelerator": accelerator, "cloud.google.com/gke-tpu-topology": topology, POOL: pool}


@contextmanager
def simulated_nodes(kubectl: Kubectl, resource: str, count: int, *labels: dict[str, str]) -> Iterator[None]:
    """Node 1, 2, … offer `count` devices each, as a device plugin would have them do, and carry these labels."""
    names = [f"node{number}" for number in range(1, len(labels) + 1)]
    path = f"/status/capacity/{resource.replace('/', '~1')}"

    def patch_capacity(name: str, change: dict[str, str]) -> None:
        kubectl("patch", "node", name, "--subresource=status", "--type=json", f"--patch={json.dumps([change])}")

    for name, node_labels in zip(names, labels, strict=True):
        kubectl("label", "node", name, "--overwrite", *(f"{key}={value}" for key, value in node_labels.items()))
        patch_capacity(name, {"op": "add", "path": path, "value": str(count)})
    try:
        until(lambda: all(allocatable(kubectl, name, resource) == str(count) for name in names), 60, f"kubelets offer {resource}")
        yield
    finally:
        for name, node_labels in zip(names, labels, strict=True):
            kubectl("label", "node", name, *(f"{key}-" for key in node_labels))
            patch_capacity(name, {"op": "remove", "path": path})


def allocatable(kubectl: Kubectl, node: str, resource: str) -> str | None:
    count: str | None = kubectl.get("node", node)["status"]["allocatable"].get(resource)
    return count


def one_stage(name: str, accelerator: dict[str, Any], mesh: dict[str, int], **changes: Any) -> dict[str, Any]:
    """A training of one short stage on that accelerator, computed on CPU devices."""
    training = manifest(name, accelerator=accelerator, podTemplate=CPU_DEVICES, **changes)
    training["spec"]["stages"] = [training["spec"]["stages"][0] | {"mesh": mesh, "steps": 4}]
    return training


def tpu(family: str, topology: str, **more: Any) -> dict[str, Any]:
    return {"type": "tpu", "tpu": {"family": family, "topology": topology, **more}}


def nodes_of_ended(kubectl: Kubectl, *jobs: str) -> list[list[str]]:
    """The nodes of each complete Job's pods: nobody removes those before the training goes."""
    return [sorted(pod["spec"]["nodeName"] for pod in pods_of(kubectl, job)) for job in jobs]


def variables(kubectl: Kubectl, job: str) -> dict[str, str]:
    """The environment of the Job's container; it is the same in all of its pods."""
    container = kubectl.get("job", job)["spec"]["template"]["spec"]["containers"][0]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


@pytest.fixture
def one_pool(kubectl: Kubectl, cluster: Cluster) -> Iterator[None]:
    """A slice of two hosts."""
    assert len(cluster.nodes) == 2
    with simulated_nodes(kubectl, "google.com/tpu", 4, *[tpu_labels("tpu-v5p-slice", "2x2x2", "pool-a")] * 2):
        yield


def test_a_slice_that_no_nodes_are_for_waits_with_the_schedulers_own_sentence(kubectl: Kubectl, one_pool: None) -> None:
    kubectl.apply(one_stage("too-big", tpu("v5p", "4x4x4"), {"dp": 8, "sp": 8}))
    waiting = status_when(
        kubectl, "too-big", lambda now: "16 of 16 pods" in now.get("message", ""), 60, "its status says that no pod finds a node"
    )
    assert waiting["reason"] == "Unschedulable"
    assert "didn't match Pod's node affinity/selector" in waiting["message"]
    kubectl("delete", "lwmtraining", "too-big")


def test_the_image_for_cpus_on_a_tpu_host_fails_with_the_image_to_use_and_is_not_tried_again(kubectl: Kubectl, one_pool: None) -> None:
    wrong_image = one_stage("wrong-image", tpu("v5p", "2x2x2"), {"dp": 2, "fsdp": 2, "sp": 2})
    del wrong_image["spec"]["podTemplate"]
    kubectl.apply(wrong_image)
    failed = status_when(kubectl, "wrong-image", lambda now: now.get("phase") == "Failed", 180, "it has failed")
    assert failed["reason"] == "PlatformMissing"
    assert "use one built with --build-arg ACCELERATOR=tpu" in failed["message"]
    # From the record of the attempt: the first host that fails ends the Job, whose other pod may be gone by now or never have had a node.
    (stage,) = failed["stages"]
    assert stage["attempts"] == 1
    assert stage["recentAttempts"][0]["rootCause"]["node"] in ("node1", "node2")


def test_slices_come_up_together_or_give_their_nodes_back(kubectl: Kubectl, one_pool: None) -> None:
    """There is room for one slice only, so that the other one's hosts find none."""
    half = one_stage("half", tpu("v5p", "2x2x2", slices=2), {"dp": 2, "fsdp": 4, "sp": 2}, execution={"placementTimeoutSeconds": 10})
    kubectl.apply(half)

    def has_given_up(now: dict[str, Any]) -> bool:
        return bool(now.get("stages", [{}])[0].get("failures", {}).get("disruption"))

    (stage,) = status_when(kubectl, "half", has_given_up, 120, "it has given up once")["stages"]
    first_attempt = stage["recentAttempts"][-1]
    assert first_attempt["rootCause"]["reason"] == "PlacementTimeout"
    assert "2 of 4 pods found no node" in first_attempt["rootCause"]["message"]
    budgets_used = stage.get("budgetsUsed", {})
    assert {name for name, used in budgets_used.items() if used} <= {"disruption"}, "no other budget is charged"
    kubectl("delete", "lwmtraining", "half", "--cascade=foreground", "--timeout=60s", seconds=90)


def test_two_slices_train_as_one_gang_to_the_end(kubectl: Kubectl) -> None:
    slices = [tpu_labels("tpu-v6e-slice", "2x2", f"pool-{letter}") for letter in "ab"]
    with simulated_nodes(kubectl, "google.com/tpu", 4, *slices):
        kubectl.apply(one_stage("two-slices", tpu("v6e", "2x2", slices=2), {"dp": 2, "fsdp": 2, "sp": 2}))
        wait_for_complete(kubectl, "two-slices", seconds=300)
        jobs = [f"two-slices-s1-a1-x{index}" for index in range(2)]
        assert sorted(nodes_of_ended(kubectl, *jobs)) == [["node1"], ["node2"]]
        for index, job in enumerate(jobs):
            environment = variables(kubectl, job)
            assert (environment["MEGASCALE_NUM_SLICES"], environment["MEGASCALE_SLICE_ID"]) == ("2", str(index))
            assert environment["MEGASCALE_COORDINATOR_ADDRESS"].startswith("two-slices-s1-a1-x0-0.two-slices")
        assert status(kubectl, "two-slices")["summary"]["restarts"] == 0


def test_gpu_hosts_get_their_devices_and_shared_memory(kubectl: Kubectl) -> None:
    with simulated_nodes(kubectl, "nvidia.com/gpu", 2, *[{"nvidia.com/gpu.product": "simulated"}] * 2):
        accelerator = {"type": "gpu", "gpu": {"hosts": 2, "perHost": 2, "sharedMemory": "64Mi", "nccl": {"NCCL_DEBUG": "WARN"}}}
        kubectl.apply(one_stage("gpus", accelerator, {"fsdp": 2, "sp": 2}))
        wait_for_complete(kubectl, "gpus", seconds=300)
        assert nodes_of_ended(kubectl, "gpus-s1-a1") == [["node1", "node2"]]
        container = pods_of(kubectl, "gpus-s1-a1")[0]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
        assert "/dev/shm" in [mount["mountPath"] for mount in container["volumeMounts"]]
        assert variables(kubectl, "gpus-s1-a1")["NCCL_DEBUG"] == "WARN"
