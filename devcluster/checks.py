"""What this machine must offer, looked at before anything is made; each failure says what cures it."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from devcluster import cgroups
from devcluster.nodes import CNI_FOLDERS
from devcluster.paths import cache
from devcluster.run import ClusterError, output, say, succeeds

FREE_BYTES = 10 * 1024**3

# Program -> the Debian package that brings it.
PACKAGES = {
    "runc": "runc",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "sysctl": "procps",
}


def all_hold() -> None:
    """Raise ClusterError with every failure at once; install missing Debian packages where apt-get is there."""
    if os.geteuid() != 0:
        raise ClusterError(
            "the embedded cluster needs root (network namespaces, mounts, cgroups): run it with sudo -E, or use a cluster of your own"
            " with `make quickstart CONTEXT=<kubectl context>`"
        )
    install(missing_packages())
    problems = [*place(cache()), *disk(cache()), *groups(), *kernel()]
    if problems:
        raise ClusterError("this machine cannot hold the cluster:\n" + "\n".join(f"  - {problem}" for problem in problems))
    say(f"checks passed (cgroups: version {cgroups.version()})")


def missing_packages() -> list[str]:
    """Debian packages whose program is not on this machine."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not any((Path(folder) / "bridge").exists() for folder in CNI_FOLDERS):
        missing.append("containernetworking-plugins")
    return missing


def install(packages: list[str]) -> None:
    """Install the packages by apt-get; elsewhere say which programs to bring."""
    if not packages:
        return
    words = " ".join(packages)
    if not shutil.which("apt-get"):
        raise ClusterError(f"missing: {words}. This is no Debian or Ubuntu (no apt-get): install what your distribution calls these")
    say(f"installing {words}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    try:
        output(command, env=environment)
    except ClusterError:  # the package lists may only be old
        output(["apt-get", "update", "-qq"])
        output(command, env=environment)


def place(folder: Path) -> list[str]:
    """The cache may not lie where each node sees a folder of its own instead of this machine's."""
    hidden = [top for top in ("/run", "/var/lib", "/var/log") if folder.resolve().is_relative_to(top)]
    return [f"LWM_CACHE={folder} lies below {top}, which nodes cannot see: choose a folder elsewhere" for top in hidden]


def disk(folder: Path, needed: int = FREE_BYTES) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free >= needed:
        return []
    have, want = free / 1024**3, needed / 1024**3
    return [f"{have:.1f} GiB free below {folder}, {want:.0f} needed: free some, or set LWM_CACHE to a folder on a larger disk"]


def groups(mount: Path = cgroups.MOUNT) -> list[str]:
    """Missing cgroup controllers, said with the version that was looked for."""
    missing = cgroups.missing(mount)
    if not missing:
        return []
    found = cgroups.version(mount)
    where = f"{mount}/cgroup.controllers" if found == 2 else f"{mount}/<controller>/"
    cure = "boot with systemd.unified_cgroup_hierarchy=1, or in a container run it with --privileged --cgroupns=host"
    return [f"cgroups version {found}: no {', '.join(missing)} in {where}: {cure}"]


def kernel(filesystems: Iterable[str] | None = None) -> list[str]:
    """Kernel features: overlay file systems, bridges, veth pairs, iptables in a network namespace."""
    problems = []
    known = Path("/proc/filesystems").read_text().split() if filesystems is None else list(filesystems)
    if "overlay" not in known and not succeeds(["modprobe", "overlay"]):
        problems.append("the kernel has no overlay file system: `modprobe overlay`, or a kernel with CONFIG_OVERLAY_FS")
    trials = {
        "network namespaces (CONFIG_NET_NS; in a container: --privileged)": "true",
        "bridges (CONFIG_BRIDGE, `modprobe bridge`)": "ip link add name br0 type bridge",
        "veth pairs (CONFIG_VETH, `modprobe veth`)": "ip link add name va type veth peer name vb",
        "iptables' nat table (`modprobe ip_tables nf_nat`, or `update-alternatives --config iptables`)": "iptables -t nat -L",
    }
    for feature, script in trials.items():
        if not succeeds(["unshare", "--net", "sh", "-c", script]):
            problems.append(f"the kernel refuses {feature}")
            break  # the others would only fail for the same reason
    return problems
