"""The embedded cluster's own promises: `up` goes on after an interrupted `up`; `down` leaves nothing and disturbs no other cluster."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import cgroups, lifecycle, processes
from devcluster.installation import kubectl_for
from devcluster.paths import Cluster

pytestmark = pytest.mark.embedded
OURS = Cluster("lwm-selftest")
OTHER = Cluster()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    lifecycle.down(OURS)
    yield
    lifecycle.down(OURS)


def traces() -> list[str]:
    """Everything on this machine that still bears the cluster's name or address."""
    remains = [str(path) for path in (OURS.netns, OURS.state) if path.exists()]
    remains += [str(tree / OURS.name) for tree in cgroups.trees() if (tree / OURS.name).exists()]
    remains += [line for line in Path("/proc/self/mounts").read_text().splitlines() if OURS.name in line]
    remains += [line for line in Path("/proc/net/dev").read_text().splitlines() if OURS.host_link in line]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(OURS.state) in words or f"--name\0{OURS.name}" in words:
            remains.append(words.replace("\0", " "))
    return remains


def interrupted_up(until_program: str) -> None:
    """Start `up` and SIGKILL it as soon as the program runs."""
    command = [sys.executable, "-m", "devcluster", "up", "--name", OURS.name]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 120
        while not processes.runs(OURS, until_program):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.05)
        running.kill()


@pytest.mark.parametrize("program", ["etcd", "containerd"])
def test_down_after_an_interrupted_up_leaves_nothing(program: str) -> None:
    interrupted_up(program)
    assert len(traces()) >= 3
    lifecycle.down(OURS)
    assert traces() == []


def test_up_goes_on_from_an_interrupted_one_and_down_disturbs_no_other_cluster() -> None:
    interrupted_up("kube-apiserver")
    lifecycle.up(OURS)
    assert lifecycle.ready_nodes(OURS) == 2
    before = components()
    lifecycle.up(OURS)
    assert components() == before
    others = storage_pods()
    lifecycle.down(OURS)
    assert traces() == []
    assert storage_pods() == others
    assert others is None or len(others) >= 1


def components() -> dict[str, list[int]]:
    """Process ids of the cluster's programs by name. (Containers come and go, and so do the shims around them.)"""
    programs = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet")
    ids = {name: sorted(process.pid for process in processes.members(OURS) if process.program == name) for name in programs}
    assert all(ids.values()), ids
    return ids


def storage_pods() -> set[str] | None:
    """Uids of the pods of the other cluster's object store, which no test touches, of which node 1 has the folder; None where that cluster
    is down."""
    node = OTHER.nodes[0]
    if processes.init_of(node) is None:
        return None
    pods = json.loads(kubectl_for(OTHER)("get", "pods", "--namespace=lwm-storage", "--output=json"))["items"]
    listing = subprocess.run(processes.within(node, "ls", "/var/lib/kubelet/pods"), check=True, capture_output=True, text=True)
    return {pod["metadata"]["uid"] for pod in pods} & set(listing.stdout.split())
