"""Cgroups of a cluster, on version 1 (one tree a controller) and version 2 (one tree): one detected branch each."""

import time
from pathlib import Path

from devcluster.paths import Node
from devcluster.run import ClusterError

MOUNT = Path("/sys/fs/cgroup")
NEEDED = ("cpu", "memory", "pids", "cpuset")


def version(mount: Path = MOUNT) -> int:
    """1 or 2: version 2 has its controllers file at the very top (a hybrid has it one level down, and counts as 1)."""
    return 2 if (mount / "cgroup.controllers").exists() else 1


def missing(mount: Path = MOUNT) -> list[str]:
    """Controllers that a kubelet needs and this machine does not offer."""
    if version(mount) == 2:
        return sorted(set(NEEDED) - set((mount / "cgroup.controllers").read_text().split()))
    return [name for name in NEEDED if not (mount / name).is_dir()]


def trees(mount: Path = MOUNT) -> list[Path]:
    """The roots below which a cluster's cgroup is to be made, each real directory once."""
    if version(mount) == 2:
        return [mount]
    return sorted({path.resolve() for path in mount.iterdir() if path.is_dir() and (path / "cgroup.procs").exists()})


def make(node: Node, mount: Path = MOUNT) -> None:
    """Create the node's cgroup in every tree; on version 1 a new cpuset is empty and takes no process until it is filled."""
    for tree in trees(mount):
        parent = tree
        for part in node.cgroup.strip("/").split("/"):
            if version(mount) == 2:
                enable(parent)
            child = parent / part
            child.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if version(mount) == 1 and (child / name).exists() and not (child / name).read_text().strip():
                    (child / name).write_text((parent / name).read_text())
            parent = child


def of_process(pid: int, controller: str, proc: Path = Path("/proc"), mount: Path = MOUNT) -> Path:
    """The folder of the cgroup through which a controller (cpu, memory) governs the process."""
    wanted = "" if version(mount) == 2 else controller
    for line in (proc / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if wanted in controllers.split(","):
            return mount / wanted / path.lstrip("/")
    raise ClusterError(f"process {pid} is in no {controller} cgroup: {proc}/{pid}/cgroup")


def enable(group: Path) -> None:
    """Hand the group's controllers to its children (version 2)."""
    offered = (group / "cgroup.controllers").read_text().split()
    for name in sorted(set(offered) - set((group / "cgroup.subtree_control").read_text().split())):
        (group / "cgroup.subtree_control").write_text(f"+{name}")


def remove(name: str, mount: Path = MOUNT) -> None:
    """Remove the cgroup of a cluster, or of a node (`lwm-test/node2`), with all below it; its processes must be dead (the kernel may
    need a moment to see that)."""
    for tree in trees(mount):
        top = tree / name
        for _ in range(50):
            for path in [*sorted((p for p in top.rglob("*") if p.is_dir()), key=lambda p: -len(p.parts)), top]:
                try:
                    path.rmdir()
                except OSError:  # busy, or gone meanwhile: looked at again below
                    continue
            if not top.exists():
                break
            time.sleep(0.1)
        else:
            raise ClusterError(f"cgroup {top} cannot be removed: a process still lives in it (`cat {top}/**/cgroup.procs` names it)")
