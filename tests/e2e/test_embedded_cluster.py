"""The embedded cluster's own promises: up after an interrupted up, and a down that leaves nothing and disturbs nobody."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import cgroups, lifecycle, processes
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
    """Whatever on this machine still bears the cluster's name or address."""
    found = [str(path) for path in (OURS.netns, OURS.state) if path.exists()]
    found += [str(tree / OURS.name) for tree in cgroups.trees() if (tree / OURS.name).exists()]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if OURS.name in line]
    found += [line for line in Path("/proc/net/dev").read_text().splitlines() if OURS.host_link in line]
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(OURS.state) in words or f"--name\0{OURS.name}" in words:
            found.append(words.replace("\0", " "))
    return found


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
    before = len(processes.members(OURS))
    lifecycle.up(OURS)
    assert len(processes.members(OURS)) == before
    others = others_pods()
    lifecycle.down(OURS)
    assert traces() == []
    assert others_pods() == others
    assert others is None or others >= 1


def others_pods() -> int | None:
    """How many pods' folders node 1 of the other cluster sees, or None where that cluster is down."""
    node = OTHER.nodes[0]
    if processes.init_of(node) is None:
        return None
    listing = subprocess.run(processes.within(node, "ls", "/var/lib/kubelet/pods"), check=True, capture_output=True, text=True)
    return len(listing.stdout.split())
