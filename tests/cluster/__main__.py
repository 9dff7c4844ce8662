"""`PYTHONPATH=tests python -m cluster <command> [--name NAME]`: a real two-node Kubernetes on this machine."""

import argparse
import os
import sys
from pathlib import Path

from cluster import images, lifecycle, load, processes
from cluster.paths import DEFAULT_NAME, Cluster, binaries
from cluster.run import ClusterError


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m cluster", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    helps = {
        "up": "build what is missing, start the cluster, wait until it is ready",
        "down": "end and remove all of it; caches stay",
        "status": "what runs; exit 1 where something does not",
        "env": "lines for eval: KUBECONFIG and a PATH with kubectl and helm",
        "shell": "a shell with that environment",
        "images": "build the operator's and the trainer's image; prints name and archive of each",
        "load-image": "put image archives into both nodes; without any: build and load the two images of this checkout",
        "node-shell": "a shell (or the given command) in a node's network, mounts and processes",
        "kubectl": "kubectl against the cluster",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default=os.environ.get("LWM_CLUSTER", DEFAULT_NAME), help="the cluster (default: %(default)s)")
        if name == "load-image":
            command.add_argument("archives", nargs="*", type=Path)
        if name == "node-shell":
            command.add_argument("node", choices=["node1", "node2"])
        if name in ("node-shell", "kubectl"):
            command.add_argument("words", nargs=argparse.REMAINDER)
    return top


def environment(cluster: Cluster) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{binaries()}:{os.environ['PATH']}"}


def main(arguments: list[str]) -> int:
    options = parser().parse_args(arguments)
    cluster = Cluster(options.name)
    match options.command:
        case "up":
            lifecycle.up(cluster)
        case "down":
            lifecycle.down(cluster)
        case "status":
            return 0 if lifecycle.status(cluster) else 1
        case "env":
            print(f"export KUBECONFIG={cluster.kubeconfig}\nexport PATH={binaries()}:$PATH")
        case "images":
            for image, archive in images.build():
                print(f"{image} {archive}")
        case "load-image":
            load.into(cluster, options.archives or [archive for _, archive in images.build()])
        case "shell":
            shell = os.environ.get("SHELL", "/bin/sh")
            os.execvpe(shell, [shell], environment(cluster))
        case "node-shell":
            node = next(node for node in cluster.nodes if node.name == options.node)
            words = processes.within(node, *(options.words or ["/bin/sh"]))
            os.execvp(words[0], words)
        case "kubectl":
            os.execve(binaries() / "kubectl", ["kubectl", *options.words], environment(cluster))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ClusterError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: `up` again goes on from here, `down` removes what is there")
