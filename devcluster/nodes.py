"""The two nodes: containerd and kubelet each, in namespaces that end together."""

import shutil
from functools import partial
from pathlib import Path

from devcluster import cgroups, configs
from devcluster.network import inside
from devcluster.paths import TOOL, Cluster, Node, binaries
from devcluster.processes import NODE_INIT, init_of, start, within
from devcluster.run import ClusterError, output, say, succeeds, until

CNI_FOLDERS = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")


def up(cluster: Cluster) -> None:
    """Start both nodes where they are down; returns before the kubelets are Ready."""
    for node in cluster.nodes:
        start_containerd(node)
    for node in cluster.nodes:
        wait_for_containerd(node)


def start_kubelets(cluster: Cluster) -> None:
    """Start kubelets last: they need the sandbox image."""
    for node in cluster.nodes:
        start_kubelet(node)


def start_containerd(node: Node) -> None:
    """Open the node's namespaces and start its containerd, unless they exist."""
    open_namespaces(node)
    configure(node)
    start(node.cluster, [binaries() / "containerd", f"--config={node.state}/containerd.toml"], node.state / "containerd.log", node)


def wait_for_containerd(node: Node) -> None:
    until(f"containerd of {node.name} answers", partial(ctr_answers, node), seconds=60, hint=f"Its log: {node.state}/containerd.log")


def start_kubelet(node: Node) -> None:
    flags = [f"--config={node.state}/kubelet.yaml", f"--kubeconfig={node.cluster.state}/pki/{node.name}.kubeconfig"]
    names = [f"--hostname-override={node.name}", f"--node-ip={node.address}"]
    start(node.cluster, [binaries() / "kubelet", *flags, *names], node.state / "kubelet.log", node)


def open_namespaces(node: Node) -> None:
    if init_of(node):
        return
    for name in ("log", "lib", "pods-log", "cni"):
        (node.state / name).mkdir(parents=True, exist_ok=True)
    mounted = node.state / "mounted"
    mounted.unlink(missing_ok=True)
    space = ["unshare", "--mount", "--propagation=private", "--pid", "--fork", "--mount-proc", "sh", str(TOOL / NODE_INIT), str(node.state)]
    script = 'log=$1; shift; exec setsid --fork "$@" >>"$log" 2>&1 </dev/null'
    output(["sh", "-c", script, "sh", node.state / "init.log", *inside(node.cluster, *space)], cwd=Path("/"))
    until(f"{node.name} has its namespaces", mounted.exists, seconds=20, hint=f"Its log: {node.state}/init.log")
    say(f"{node.name}: namespaces open")


def configure(node: Node) -> None:
    cgroups.make(node)
    (node.state / "containerd.toml").write_text(configs.containerd(node, str(shutil.which("runc")), cni_folder()))
    (node.state / "cni" / "10-bridge.conflist").write_text(configs.cni(node))
    (node.state / "kubelet.yaml").write_text(configs.kubelet(node))


def cni_folder() -> str:
    """Where the distribution put the CNI plugins."""
    for folder in CNI_FOLDERS:
        if (Path(folder) / "bridge").exists():
            return folder
    raise ClusterError(f"no CNI plugin 'bridge' in {', '.join(CNI_FOLDERS)}: apt-get install containernetworking-plugins")


def ctr(node: Node, *words: str | Path) -> list[str]:
    """A ctr command on the node's containerd, in the namespace that the kubelet looks at."""
    return within(node, binaries() / "ctr", f"--address={configs.CONTAINERD_SOCKET}", "--namespace=k8s.io", *words)


def ctr_answers(node: Node) -> bool:
    return succeeds(ctr(node, "version"))
