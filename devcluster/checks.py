"""Preflight checks; each error names the fix."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from devcluster import cgroups
from devcluster.nodes import CNI_FOLDERS
from devcluster.paths import cache
from devcluster.run import ClusterError, output, say, succeeds

FREE_BYTES = 10 * 1024**3

# Program -> the Debian package that provides it.
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


ROOT_NEEDED = (
    "the embedded cluster needs root (network namespaces, mounts, cgroups): run it with sudo -E, or use a cluster of your own"
    " with `make quickstart CONTEXT=<kubectl context>`"
)


def require_machine() -> None:
    """Raise ClusterError with every problem at once; install missing Debian packages where apt-get exists."""
    if os.geteuid() != 0:
        raise ClusterError(ROOT_NEEDED)
    install(missing_packages())
    problems = machine_problems()
    if problems:
        raise ClusterError("this machine cannot hold the cluster:\n" + "\n".join(f"  - {problem}" for problem in problems))
    say(f"checks passed (cgroups: version {cgroups.version()})")


def obstacle() -> str | None:
    """Why the embedded cluster cannot start on this machine, in one sentence, or None. Installs and changes nothing."""
    if os.geteuid() != 0:
        return ROOT_NEEDED
    missing = missing_packages()
    if missing and not shutil.which("apt-get"):
        return _missing_text(missing)
    return next(iter(machine_problems()), None)


def machine_problems() -> list[str]:
    """Missing requirements that no package provides, one sentence each."""
    return [*cache_problems(cache()), *disk_problems(cache()), *cgroup_problems(), *kernel_problems()]


def missing_packages() -> list[str]:
    """Debian packages whose program is not on this machine."""
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program)]
    if not any((Path(folder) / "bridge").exists() for folder in CNI_FOLDERS):
        missing.append("containernetworking-plugins")
    return missing


def install(packages: list[str]) -> None:
    """Install the packages with apt-get. Without apt-get, raise ClusterError that lists them."""
    if not packages:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(_missing_text(packages))
    say(f"installing {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    try:
        output(command, env=environment)
    except ClusterError:  # the package lists may only be old
        output(["apt-get", "update", "-qq"])
        output(command, env=environment)


def _missing_text(packages: list[str]) -> str:
    return f"missing: {' '.join(packages)}. This is no Debian or Ubuntu (no apt-get): install what your distribution calls these"


def cache_problems(folder: Path) -> list[str]:
    """The cache may not lie where each node sees a folder of its own instead of this machine's."""
    hidden = [top for top in ("/run", "/var/lib", "/var/log") if folder.resolve().is_relative_to(top)]
    return [f"LWM_CACHE={folder} lies below {top}, which nodes cannot see: choose a folder elsewhere" for top in hidden]


def disk_problems(folder: Path, needed: int = FREE_BYTES) -> list[str]:
    """The disk of the cache needs room for programs, images and the nodes' stores."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return []
    have, want = free / 1024**3, needed / 1024**3
    return [f"{have:.1f} GiB free below {folder}, {want:.0f} needed: free some, or set LWM_CACHE to a folder on a larger disk"]


def cgroup_problems(mount: Path = cgroups.MOUNT) -> list[str]:
    """Cgroup controllers that are missing, with the version that was looked for, or a tree that nobody may write to."""
    version = cgroups.version(mount)
    missing = cgroups.missing(mount)
    if missing:
        place = f"{mount}/cgroup.controllers" if version == 2 else f"{mount}/<controller>/"
        cure = "boot with systemd.unified_cgroup_hierarchy=1, or in a container run it with --privileged --cgroupns=host"
        return [f"cgroups version {version}: no {', '.join(missing)} in {place}: {cure}"]
    sealed = [str(tree) for tree in cgroups.trees(mount) if not os.access(tree, os.W_OK)]
    if sealed:
        return [f"cgroups version {version}: {', '.join(sealed)} cannot be written: run the container with --privileged --cgroupns=host"]
    return []


def kernel_problems(filesystems: Iterable[str] | None = None) -> list[str]:
    """Kernel features that are missing: overlay file systems, mounts, and bridges, veth pairs and iptables in a network namespace.

    A feature whose program is not installed yet is not tried."""
    problems = []
    known = Path("/proc/filesystems").read_text().split() if filesystems is None else list(filesystems)
    if "overlay" not in known and not succeeds(["modprobe", "overlay"]):
        problems.append("the kernel has no overlay file system: `modprobe overlay`, or a kernel with CONFIG_OVERLAY_FS")
    trials = {
        "network and mount namespaces (CONFIG_NET_NS; in a container: --privileged)": "true",
        "mounts (in a container: --privileged)": "mount -t tmpfs lwm /tmp",
        "bridges (CONFIG_BRIDGE, `modprobe bridge`)": "ip link add name br0 type bridge",
        "veth pairs (CONFIG_VETH, `modprobe veth`)": "ip link add name va type veth peer name vb",
        "iptables' nat table (`modprobe ip_tables nf_nat`, or `update-alternatives --config iptables`)": "iptables -t nat -L",
    }
    for feature, script in trials.items():
        if shutil.which(script.split()[0]) and not succeeds(["unshare", "--net", "--mount", "sh", "-c", script]):
            problems.append(f"the kernel refuses {feature}")
            break  # the others would only fail for the same reason
    return problems
