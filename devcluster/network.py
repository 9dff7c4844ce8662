"""The cluster's network namespace: one bridge with both nodes' addresses, and one link to this machine.

Nothing routes from it to the outside: pods reach each other, the Services and this machine's end of the link."""

from devcluster.paths import SERVICE_SUBNET, Cluster
from devcluster.run import ClusterError, output, succeeds

BRIDGE = "lwm0"


def inside(cluster: Cluster, *argv: str) -> list[str]:
    """The command, to be run in the cluster's network. Not `ip netns exec`: that remounts /sys and hides the cgroups."""
    return ["nsenter", f"--net={cluster.netns}", "--", *argv]


def plan(cluster: Cluster) -> list[list[str]]:
    """The commands that set up a new namespace, in order."""
    first, second = cluster.nodes
    ip = [
        ["link", "set", "lo", "up"],
        ["link", "add", "name", BRIDGE, "type", "bridge"],
        ["address", "add", f"{first.address}/24", "dev", BRIDGE],
        ["address", "add", f"{second.address}/24", "dev", BRIDGE],
        ["link", "set", BRIDGE, "up"],
        ["address", "add", f"{cluster.address}/30", "dev", cluster.cluster_link],
        ["link", "set", cluster.cluster_link, "up"],
        # Components refuse to start without a default route; the two halves below it answer everything outside at once.
        ["route", "add", "default", "dev", BRIDGE],
        ["route", "add", "unreachable", "0.0.0.0/1"],
        ["route", "add", "unreachable", "128.0.0.0/1"],
        ["route", "add", SERVICE_SUBNET, "dev", BRIDGE],
    ]
    commands = [
        ["ip", "link", "add", "name", cluster.host_link, "type", "veth", "peer", "name", cluster.cluster_link, "netns", cluster.name]
    ]
    commands += [inside(cluster, "ip", *words) for words in ip]
    commands += [inside(cluster, "sysctl", "-qw", "net.ipv4.ip_forward=1")]
    # Last: its presence says that the namespace is complete.
    commands += [["ip", "address", "add", f"{cluster.host_address}/30", "dev", cluster.host_link]]
    commands += [["ip", "link", "set", cluster.host_link, "up"]]
    return commands


def make(cluster: Cluster) -> None:
    """Create the namespace; one that an interrupted `up` left incomplete is created again."""
    if cluster.netns.exists() and succeeds(["ip", "address", "show", "dev", cluster.host_link, "up"]):
        return
    remove(cluster)
    if f" {cluster.host_address}/" in output(["ip", "-4", "address", "show"]):
        raise ClusterError(
            f"{cluster.host_address} is taken on this machine (`ip address`): choose another --name, its address follows from it"
        )
    output(["ip", "netns", "add", cluster.name])
    for command in plan(cluster):
        output(command)


def remove(cluster: Cluster) -> None:
    """Delete the namespace and the link; the bridges go with the namespace."""
    if succeeds(["ip", "link", "show", "dev", cluster.host_link]):
        output(["ip", "link", "delete", cluster.host_link])
    if cluster.netns.exists():
        output(["ip", "netns", "delete", cluster.name])
    folder = cluster.netns.parent
    if folder.is_mount() and not any(folder.iterdir()):
        output(["umount", folder])  # `ip netns add` mounts it for the first namespace and never undoes that
