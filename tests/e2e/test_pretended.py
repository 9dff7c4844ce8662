"""Nodes that pretend to have TPUs and GPUs: pods land where they should, what does not fit waits with its reason, and a gang on CPU devices
rehearses the whole life of an attempt."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from devcluster.paths import Cluster
from devcluster.trainings import manifest, pods_of, status, until, wait_for_complete
from tools.kubectl import Kubectl

REHEARSAL = {"env": [{"name": "JAX_PLATFORMS", "value": "cpu"}]}
POOL = "cloud.google.com/gke-nodepool"


def node_labels(accelerator: str, topology: str, pool: str) -> dict[str, str]:
    """As GKE labels a node of a TPU slice."""
    return {"cloud.google.com/gke-tpu-accelerator": accelerator, "cloud.google.com/gke-tpu-topology": topology, POOL: pool}


@contextmanager
def pretending(kubectl: Kubectl, resource: str, count: int, *labels: dict[str, str]) -> Iterator[None]:
    """Node 1, 2, … with so many devices and these labels (a device plugin would offer them)."""
    names = [f"node{number}" for number in range(1, len(labels) + 1)]
    path = f"/status/capacity/{resource.replace('/', '~1')}"

    def devices(name: str, change: dict[str, str]) -> None:
        kubectl("patch", "node", name, "--subresource=status", "--type=json", f"--patch={json.dumps([change])}")

    for name, given in zip(names, labels, strict=True):
        kubectl("label", "node", name, "--overwrite", *(f"{key}={value}" for key, value in given.items()))
        devices(name, {"op": "add", "path": path, "value": str(count)})
    try:
        until(lambda: all(offered(kubectl, name, resource) == str(count) for name in names), 60, f"kubelets offer {resource}")
        yield
    finally:
        for name, given in zip(names, labels, strict=True):
            kubectl("label", "node", name, *(f"{key}-" for key in given))
            devices(name, {"op": "remove", "path": path})


def offered(kubectl: Kubectl, node: str, resource: str) -> str | None:
    found: str | None = kubectl.get("node", node)["status"]["allocatable"].get(resource)
    return found


def on(name: str, accelerator: dict[str, Any], mesh: dict[str, int], **changes: Any) -> dict[str, Any]:
    """One short stage on it."""
    found = manifest(name, accelerator=accelerator, podTemplate=REHEARSAL, **changes)
    found["spec"]["stages"] = [found["spec"]["stages"][0] | {"mesh": mesh, "steps": 4}]
    return found


def tpu(family: str, topology: str, **more: Any) -> dict[str, Any]:
    return {"type": "tpu", "tpu": {"family": family, "topology": topology, **more}}


def where(kubectl: Kubectl, *jobs: str) -> list[list[str | None]]:
    """The nodes of each Job's pods."""
    return [sorted(pod["spec"].get("nodeName", "") for pod in pods_of(kubectl, job)) for job in jobs]


def variables(kubectl: Kubectl, job: str) -> dict[str, str]:
    container = pods_of(kubectl, job)[0]["spec"]["containers"][0]
    return {each["name"]: each.get("value", "") for each in container["env"]}


@pytest.fixture
def one_pool(kubectl: Kubectl, cluster: Cluster) -> Iterator[None]:
    """A slice of two hosts."""
    assert len(cluster.nodes) == 2
    with pretending(kubectl, "google.com/tpu", 4, *[node_labels("tpu-v5p-slice", "2x2x2", "pool-a")] * 2):
        yield


def test_a_slice_that_no_nodes_are_for_waits_with_the_schedulers_own_sentence(kubectl: Kubectl, one_pool: None) -> None:
    kubectl.apply(on("too-big", tpu("v5p", "4x4x4"), {"dp": 8, "sp": 8}))
    until(lambda: "16 of 16 pods" in status(kubectl, "too-big").get("message", ""), 60, "it says that no pod finds a node")
    assert status(kubectl, "too-big")["reason"] == "Unschedulable"
    message = status(kubectl, "too-big")["message"]
    assert "didn't match Pod's node affinity/selector" in message
    kubectl("delete", "lwmtraining", "too-big")


def test_the_image_for_cpus_on_a_tpu_host_is_told_so_and_not_tried_again(kubectl: Kubectl, one_pool: None) -> None:
    wrong = on("wrong-image", tpu("v5p", "2x2x2"), {"dp": 2, "fsdp": 2, "sp": 2})
    del wrong["spec"]["podTemplate"]
    kubectl.apply(wrong)
    until(lambda: status(kubectl, "wrong-image").get("phase") == "Failed", 180, "it has failed")
    said = status(kubectl, "wrong-image")
    assert said["reason"] == "PlatformMissing"
    assert "use one built with --build-arg ACCELERATOR=tpu" in said["message"]
    assert where(kubectl, "wrong-image-s1-a1") == [["node1", "node2"]]
    assert said["stages"][0]["attempts"] == 1


def test_slices_come_up_together_or_give_their_nodes_back(kubectl: Kubectl, one_pool: None) -> None:
    """There is room for one slice only, so that the other one's hosts find none."""
    half = on("half", tpu("v5p", "2x2x2", slices=2), {"dp": 2, "fsdp": 4, "sp": 2}, execution={"placementTimeoutSeconds": 10})
    kubectl.apply(half)
    until(lambda: status(kubectl, "half").get("stages", [{}])[0].get("failures", {}).get("disruption"), 120, "it has given up once")
    first = status(kubectl, "half")["stages"][0]["recentAttempts"][-1]
    assert first["rootCause"]["reason"] == "PlacementTimeout"
    assert "2 of 4 pods found no node" in first["rootCause"]["message"]
    spent = status(kubectl, "half")["stages"][0].get("budgetsUsed", {})
    assert not any(spent.values()), "nothing is charged"
    kubectl("delete", "lwmtraining", "half", "--cascade=foreground", "--timeout=60s", seconds=90)


def test_two_slices_train_as_one_gang_to_the_end(kubectl: Kubectl) -> None:
    slices = [node_labels("tpu-v6e-slice", "2x2", f"pool-{letter}") for letter in "ab"]
    with pretending(kubectl, "google.com/tpu", 4, *slices):
        kubectl.apply(on("two-slices", tpu("v6e", "2x2", slices=2), {"dp": 2, "fsdp": 2, "sp": 2}))
        wait_for_complete(kubectl, "two-slices", seconds=300)
        jobs = [f"two-slices-s1-a1-x{index}" for index in range(2)]
        assert sorted(where(kubectl, *jobs)) == [["node1"], ["node2"]]
        for index, job in enumerate(jobs):
            found = variables(kubectl, job)
            assert (found["MEGASCALE_NUM_SLICES"], found["MEGASCALE_SLICE_ID"]) == ("2", str(index))
            assert found["MEGASCALE_COORDINATOR_ADDRESS"].startswith("two-slices-s1-a1-x0-0.two-slices")
        assert status(kubectl, "two-slices")["summary"]["restarts"] == 0


def test_gpu_hosts_get_their_devices_and_shared_memory(kubectl: Kubectl) -> None:
    with pretending(kubectl, "nvidia.com/gpu", 2, *[{"nvidia.com/gpu.product": "pretended"}] * 2):
        accelerator = {"type": "gpu", "gpu": {"hosts": 2, "perHost": 2, "sharedMemory": "64Mi", "nccl": {"NCCL_DEBUG": "WARN"}}}
        kubectl.apply(on("gpus", accelerator, {"fsdp": 2, "sp": 2}))
        wait_for_complete(kubectl, "gpus", seconds=300)
        assert where(kubectl, "gpus-s1-a1") == [["node1", "node2"]]
        container = pods_of(kubectl, "gpus-s1-a1")[0]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"
        assert "/dev/shm" in [mount["mountPath"] for mount in container["volumeMounts"]]
        assert variables(kubectl, "gpus-s1-a1")["NCCL_DEBUG"] == "WARN"
