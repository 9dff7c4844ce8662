"""Starting, finding and ending a cluster's processes.

No process is remembered: whatever stands in the cluster's network namespace belongs to the cluster, and the pods' processes
die with their node's process namespace. So `down` finds everything, also after an `up` that was killed half way."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.network import inside
from devcluster.paths import Cluster, Node, binaries
from devcluster.run import ClusterError, output

NODE_INIT = "node_init.sh"


@dataclass(frozen=True)
class Process:
    """A live process of a cluster, as this machine sees it."""

    pid: int
    words: tuple[str, ...]
    namespace: str

    @property
    def program(self) -> str:
        return Path(self.words[0]).name if self.words else ""


def members(cluster: Cluster) -> list[Process]:
    """Every live process in the cluster's network namespace."""
    try:
        wanted = f"net:[{cluster.netns.stat().st_ino}]"
    except FileNotFoundError:
        return []
    processes = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if str((entry / "ns" / "net").readlink()) != wanted:
                continue
            words = tuple(word for word in (entry / "cmdline").read_bytes().decode(errors="replace").split("\0") if word)
            processes.append(Process(int(entry.name), words, str((entry / "ns" / "pid").readlink())))
        except OSError:  # ended meanwhile
            continue
    return processes


def init_of(node: Node) -> Process | None:
    """The first process of the node's process namespace, or None where the node is down."""
    own = str(Path("/proc/self/ns/pid").readlink())
    for process in members(node.cluster):
        if process.namespace != own and any(word.endswith(NODE_INIT) for word in process.words) and process.words[-1] == str(node.state):
            return process
    return None


def within(node: Node, *argv: str | Path) -> list[str]:
    """The command, to be run inside the node's network, mounts and processes."""
    init = init_of(node)
    if init is None:
        raise ClusterError(f"{node.name} of {node.cluster.name} is down: `python -m devcluster up --name {node.cluster.name}` starts it")
    spaces = [f"--net=/proc/{init.pid}/ns/net", f"--mount=/proc/{init.pid}/ns/mnt", f"--pid=/proc/{init.pid}/ns/pid"]
    return ["nsenter", *spaces, "--", *(str(word) for word in argv)]


def runs(cluster: Cluster, program: str, node: Node | None = None) -> bool:
    """Whether the program runs, in the node's process namespace where one is given."""
    init = init_of(node) if node else None
    if node and init is None:
        return False
    return any(p.program == program and (init is None or p.namespace == init.namespace) for p in members(cluster))


def start(cluster: Cluster, argv: Sequence[str | Path], log: Path, node: Node | None = None) -> None:
    """Start a program of the cluster in the background, its output appended to `log`, unless it is running."""
    program = Path(argv[0]).name
    if runs(cluster, program, node):
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    words = [str(word) for word in argv]
    command = within(node, *words) if node else inside(cluster, *words)
    environment = {**os.environ, "PATH": f"{binaries()}:{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"}
    for name in ("KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        environment.pop(name, None)
    redirect = 'log=$1; shift; exec setsid --fork "$@" >>"$log" 2>&1 </dev/null'
    output(["sh", "-c", redirect, "sh", log, *command], env=environment, cwd=Path("/"))


def end_all(cluster: Cluster) -> int:
    """SIGKILL everything in the cluster's network namespace until nothing is left; returns how many were killed."""
    killed = set()
    deadline = time.monotonic() + 30
    while living := members(cluster):
        for process in living:
            killed.add(process.pid)
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise ClusterError(f"processes {sorted(p.pid for p in living)} survive SIGKILL: look at `cat /proc/<pid>/stack`")
        time.sleep(0.1)
    return len(killed)
