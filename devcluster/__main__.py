"""`python -m devcluster <command> [--name NAME]`: a real two-node Kubernetes on this machine."""

import argparse
import os
import sys
from pathlib import Path

from devcluster import checks, faults, images, lifecycle, load, processes
from devcluster.paths import DEFAULT_NAME, Cluster, Node, binaries
from devcluster.run import ClusterError
from tools.kubectl import CommandError

# Commands that pass arguments to another program -> how many arguments of their own come first.
PASSED_ON = {"kubectl": 0, "node-shell": 1}
FAULTS = {"lose": faults.lose, "orphan": faults.orphan, "revive": faults.revive}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m devcluster", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)
    helps = {
        "check": "check whether this machine can run the cluster; if not, print one sentence with the reason and exit 1",
        "up": "build what is missing, start the cluster, wait until it is ready",
        "down": "stop and delete the cluster; keep caches",
        "status": "show which components run; exit 1 if any is down",
        "env": "print lines for eval: KUBECONFIG, and a PATH with kubectl and helm",
        "shell": "open a shell with that environment",
        "images": "build the images of the operator and the trainer; print the name and archive of each",
        "load-image": "load image archives into both nodes; without arguments: build and load the two images of this checkout",
        "node-shell": "run a shell or the given command in the namespaces of a node: network, mounts, processes",
        "kubectl": "run kubectl against the cluster",
        "lose": "power off a node: drop its network, then kill its processes",
        "orphan": "kill kubelet and containerd; containers keep running",
        "revive": "undo `lose` or `orphan`; wait until the node is Ready and its old pods are gone",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--name", default=os.environ.get("LWM_CLUSTER", DEFAULT_NAME), help="cluster name (default: %(default)s)")
        if name == "load-image":
            command.add_argument("archives", nargs="*", type=Path)
        if name in (*FAULTS, "node-shell"):
            command.add_argument("node", choices=["node1", "node2"])
        if name in PASSED_ON:
            command.add_argument("words", nargs="*")
    return top


def split(arguments: list[str]) -> list[str]:
    """Put `--` before the arguments of the other program, so that none of its options is taken for ours."""
    if not arguments or arguments[0] not in PASSED_ON or "--help" in arguments[1:2]:
        return arguments
    ours = 1
    if arguments[ours : ours + 1] == ["--name"]:
        ours += 2
    elif arguments[ours : ours + 1] and arguments[ours].startswith("--name="):
        ours += 1
    ours += PASSED_ON[arguments[0]]
    theirs = arguments[ours:]
    return [*arguments[:ours], "--", *(theirs[1:] if theirs[:1] == ["--"] else theirs)]


def environment(cluster: Cluster) -> dict[str, str]:
    return {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "PATH": f"{binaries()}:{os.environ['PATH']}"}


def named(cluster: Cluster, name: str) -> Node:
    return next(node for node in cluster.nodes if node.name == name)


def main(arguments: list[str]) -> int:
    options = parser().parse_args(split(arguments))
    cluster = Cluster(options.name)
    match options.command:
        case "check":
            obstacle = checks.obstacle()
            if obstacle:
                print(obstacle)
            return 1 if obstacle else 0
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
            load.import_archives(cluster, options.archives or [archive for _, archive in images.build()])
        case "shell":
            shell = os.environ.get("SHELL", "/bin/sh")
            os.execvpe(shell, [shell], environment(cluster))  # noqa: S606
        case "node-shell":
            words = processes.within(named(cluster, options.node), *(options.words or ["/bin/sh"]))
            os.execvp(words[0], words)  # noqa: S606
        case "lose" | "orphan" | "revive":
            FAULTS[options.command](named(cluster, options.node))
        case "kubectl":
            os.execve(binaries() / "kubectl", ["kubectl", *options.words], environment(cluster))  # noqa: S606
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ClusterError, CommandError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: `up` continues from this point, `down` removes everything")
