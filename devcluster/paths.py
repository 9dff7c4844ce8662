"""Where everything of one embedded cluster lives, and what its names and addresses are."""

import os
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TOOL = Path(__file__).resolve().parent
DEFAULT_NAME = "lwm-test"

API_PORT = 6443
DNS_READY_PORT = 8181
STORAGE_NODE_PORT = 30443
SERVICE_SUBNET = "10.96.0.0/16"
SERVICE_API_IP = "10.96.0.1"
POD_SUBNET = "10.244.0.0/16"


def cache() -> Path:
    """The folder that outlives clusters and clones: binaries, image archives, build stores. LWM_CACHE overrides it."""
    return Path(os.environ.get("LWM_CACHE") or Path.home() / ".cache" / "lwm-operator").absolute()


def binaries() -> Path:
    """The folder of kubectl, helm and the components: the same path whatever their version."""
    return cache() / "bin"


@dataclass(frozen=True)
class Node:
    """One node: a containerd and a kubelet in mount and process namespaces of their own."""

    cluster: "Cluster"
    index: int

    @property
    def name(self) -> str:
        return f"node{self.index}"

    @property
    def state(self) -> Path:
        return self.cluster.state / self.name

    @property
    def address(self) -> str:
        return f"10.10.0.{self.index}"

    @property
    def pod_subnet(self) -> str:
        return f"10.244.{self.index - 1}.0/24"

    @property
    def pod_bridge(self) -> str:
        return f"cni{self.index - 1}"

    @property
    def cgroup(self) -> str:
        """Parent of all its pods' cgroups, relative to each hierarchy's root."""
        return f"/{self.cluster.name}/{self.name}"


@dataclass(frozen=True)
class Cluster:
    """A cluster by its name, which is also the name of its network namespace and of its cgroup."""

    name: str = DEFAULT_NAME

    def __post_init__(self) -> None:
        if not re.fullmatch(r"lwm-[a-z0-9]([a-z0-9-]{0,14}[a-z0-9])?", self.name):
            raise ValueError(
                f"--name {self.name!r}: must be 'lwm-' and up to 16 of a-z, 0-9 and '-', such as {DEFAULT_NAME}"
                " (the prefix keeps `down` away from anything it did not make)"
            )

    @property
    def state(self) -> Path:
        return cache() / "clusters" / self.name

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / self.name

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def nodes(self) -> tuple[Node, Node]:
        return Node(self, 1), Node(self, 2)

    @property
    def number(self) -> int:
        """1 to 254, from the name: gives each cluster a host link of its own."""
        return zlib.crc32(self.name.encode()) % 254 + 1

    @property
    def host_address(self) -> str:
        """The host's end of the link into the cluster; 198.18.0.0/15 is reserved for benchmarks, so no real network uses it."""
        return f"198.18.{self.number}.1"

    @property
    def address(self) -> str:
        """The cluster's end of that link: the API server and every NodePort answer here, for this machine only."""
        return f"198.18.{self.number}.2"

    @property
    def host_link(self) -> str:
        return f"lwmh{self.number}"

    @property
    def cluster_link(self) -> str:
        return f"lwmc{self.number}"

    @property
    def server(self) -> str:
        return f"https://{self.address}:{API_PORT}"

    @property
    def inner_server(self) -> str:
        return f"https://{self.nodes[0].address}:{API_PORT}"

    @property
    def storage_url(self) -> str:
        """The object store as this machine reaches it; pods use http://fake-gcs.lwm-storage.svc:4443."""
        return f"http://{self.address}:{STORAGE_NODE_PORT}"
