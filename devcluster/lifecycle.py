"""up, down and status of a whole cluster."""

import json
import shutil
import subprocess
from typing import Any

from devcluster import cgroups, checks, control_plane, load, network, nodes, pki, programs, storage
from devcluster.paths import Cluster, cache
from devcluster.processes import end_all, init_of, members
from devcluster.run import ClusterError, locked, output, say, until


def up(cluster: Cluster) -> None:
    """Bring the cluster up: idempotent, and it takes up whatever an interrupted run left."""
    checks.require_machine()
    programs.build()
    with locked(cache() / "locks" / cluster.name):
        cluster.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        network.make(cluster)
        pki.make(cluster)
        control_plane.up(cluster)
        nodes.up(cluster)
        load.import_archives(cluster, storage.archives())
        nodes.start_kubelets(cluster)
        storage.apply(cluster)
        until("both nodes are Ready", lambda: ready_nodes(cluster) == 2, seconds=120, hint=f"Their logs: {cluster.state}/node*/kubelet.log")
        say("both nodes Ready")
        hint = f"Its log: {cluster.state}/log/coredns.log"
        until("CoreDNS answers", lambda: control_plane.dns_ready(cluster), seconds=60, hint=hint)
        storage.wait(cluster)
    say(f"cluster {cluster.name} is up: KUBECONFIG={cluster.kubeconfig}")


def down(cluster: Cluster) -> None:
    """Leave nothing: no process, mount, namespace, bridge, cgroup or file of this cluster. The caches stay."""
    with locked(cache() / "locks" / cluster.name):
        killed = end_all(cluster)
        network.remove(cluster)
        cgroups.remove(cluster.name)
        if cluster.state.exists():
            shutil.rmtree(cluster.state)
    say(f"cluster {cluster.name} is gone ({killed} processes ended)")


def ready_nodes(cluster: Cluster) -> int:
    """How many nodes the API server calls Ready; 0 where it does not answer."""
    done = subprocess.run(storage.kubectl(cluster, "get", "nodes", "--output=json", "--request-timeout=5s"), capture_output=True, text=True)
    if done.returncode != 0:
        return 0
    items: list[dict[str, Any]] = json.loads(done.stdout)["items"]
    return sum({"Ready": "True"}.items() <= {c["type"]: c["status"] for c in item["status"]["conditions"]}.items() for item in items)


def status(cluster: Cluster) -> bool:
    """Print what runs and what does not; True where the whole cluster is healthy."""
    running = {process.program for process in members(cluster)}
    rows = [(program, program in running) for program in control_plane.commands(cluster)]
    rows += [(node.name, init_of(node) is not None) for node in cluster.nodes]
    if not any(alive for _, alive in rows):
        print(f"cluster {cluster.name}: down")
        return False
    for name, alive in rows:
        print(f"{name:24} {'up' if alive else 'DOWN'}")
    try:
        print(output(storage.kubectl(cluster, "get", "nodes,pods", "--all-namespaces", "--request-timeout=5s")))
    except ClusterError as error:
        print(error)
        return False
    print(f"KUBECONFIG={cluster.kubeconfig}\nobject store: {cluster.storage_url}")
    return all(alive for _, alive in rows)
