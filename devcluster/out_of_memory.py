"""Out-of-memory kills: the kernel kills the main process of a pod at its memory limit, and the kubelet reports OOMKilled.

Tried on cgroups version 1. Version 2 differs by the names of three files only and has not been tried."""

import subprocess
import sys
from pathlib import Path

from devcluster import cgroups
from devcluster.pods import PROC, main_process
from devcluster.run import until

SPARE = 64 * 1024**2
LONGEST_SECONDS = 60
DYING_SECONDS = 10

# Joins the cgroup and fills a nameless file in memory, 4 MiB a time, as long as the victim lives. A file, because the kernel weighs
# processes by what they have mapped: an array would make this process heavier than a small victim, and the kernel would kill it instead.
HOG = """
import os, pathlib, sys
group, victim = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
(group / "cgroup.procs").write_text("0")
held, chunk = os.memfd_create("hog"), bytes(2**22)
while victim.exists():
    os.write(held, chunk)
"""


def out_of_memory(pod_uid: str) -> None:
    """Trigger the OOM killer on the pod's main process: the container ends with exit code 137 and reason OOMKilled.

    The limit is lowered to little above what is in use, so that the machine itself never runs short. A process of this module then
    fills the container's cgroup, and oom_score_adj makes the kernel choose the pod's process. It cannot be undone."""
    victim = main_process(pod_uid)
    group = cgroups.of_process(victim, "memory")
    lower_limit(group)
    (PROC / str(victim) / "oom_score_adj").write_text("1000")
    subprocess.run(
        [sys.executable, "-S", "-c", HOG, str(group), str(PROC / str(victim))], check=False, capture_output=True, timeout=LONGEST_SECONDS
    )
    # A process with much memory takes a moment to die, in which the kernel may kill the hog as well.
    hint = "`dmesg | grep -i oom` shows which process the kernel chose"
    until(f"process {victim} of pod {pod_uid} is dead", lambda: not (PROC / str(victim)).exists(), seconds=DYING_SECONDS, hint=hint)


def lower_limit(group: Path) -> None:
    """Leave the cgroup SPARE bytes above what it uses, unless its limit is lower already."""
    limit, usage = (
        ("memory.max", "memory.current") if (group / "memory.max").exists() else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    now, wanted = (group / limit).read_text().strip(), int((group / usage).read_text()) + SPARE
    if now == "max" or int(now) > wanted:
        (group / limit).write_text(str(wanted))
