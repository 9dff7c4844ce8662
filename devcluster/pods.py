"""The processes of one pod, found by its cgroup, and faults that can be done to them. Needs root, like the cluster itself."""

import os
import signal
from pathlib import Path

from devcluster import cgroups
from devcluster.run import ClusterError

PROC = Path("/proc")
PERIOD = 100_000
"""Microseconds over which the kernel measures a share of a core."""
SANDBOX = b"/pause\0"


def processes_of(pod_uid: str, proc: Path = PROC) -> list[int]:
    """Process ids of the pod's containers, as this machine counts them; [] where none runs. The sandbox is not among them:
    it stays when a container dies."""
    pids = []
    for folder in proc.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # The end of a cgroup's name distinguishes pod 1a from pod 1ab. An empty command line is a process during exec, or a zombie.
            if (
                f"pod{pod_uid}/" in (folder / "cgroup").read_text()
                and (folder / "cmdline").read_bytes() != SANDBOX
                and "\nState:\tZ" not in (folder / "status").read_text()
            ):
                pids.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
    return sorted(pids)


def main_process(pod_uid: str, proc: Path = PROC) -> int:
    """The process of the pod that is number 1 in its container. Raises ClusterError unless there is exactly one."""
    first = [pid for pid in processes_of(pod_uid, proc) if number_inside(pid, proc) == 1]
    if len(first) != 1:
        raise ClusterError(
            f"pod {pod_uid} has {len(first)} running containers on this machine, expected one: `kubectl get pods -A -o wide`"
        )
    return first[0]


def number_inside(pid: int, proc: Path = PROC) -> int:
    """The process's number in its innermost process namespace; 0 where it has ended."""
    try:
        lines = (proc / str(pid) / "status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)


def kill(pod_uid: str) -> None:
    """SIGKILL, as from the kernel or an administrator: exit code 137, no termination message. It cannot be undone."""
    send(pod_uid, signal.SIGKILL)


def freeze(pod_uid: str) -> None:
    """SIGSTOP: a host that hangs, as on failed storage or a paused machine. Its connections stay open and nothing
    answers on them; the kubelet keeps calling the pod Running, and Ready where it has no probe."""
    send(pod_uid, signal.SIGSTOP)


def thaw(pod_uid: str) -> None:
    """Undo `freeze`: everything continues as if no time had passed."""
    send(pod_uid, signal.SIGCONT)


def send(pod_uid: str, number: signal.Signals) -> None:
    """Sends the signal to every process of the pod. Raises ClusterError where the pod has none."""
    reached = 0
    for pid in processes_of(pod_uid):
        try:
            os.kill(pid, number)
        except ProcessLookupError:  # died with its container's first process
            continue
        reached += 1
    if not reached:
        raise ClusterError(f"no process of pod {pod_uid} on this machine: has it ended? `kubectl get pods -A -o wide`")


def throttle(pod_uid: str, share: float | None, proc: Path = PROC) -> None:
    """Limits the pod's main process and its siblings in the container to this share of one core, as on a machine that is nearly dead;
    None removes the limit. Tried on cgroups version 1 only."""
    group = cgroups.of_process(main_process(pod_uid, proc), "cpu", proc)
    if (group / "cpu.cfs_quota_us").exists():
        (group / "cpu.cfs_quota_us").write_text("-1" if share is None else str(int(share * PERIOD)))
    else:
        (group / "cpu.max").write_text("max" if share is None else f"{int(share * PERIOD)} {PERIOD}")
