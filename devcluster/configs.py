"""The configuration files of the components, as text: pure, so that tests read them without a cluster."""

import json

from devcluster.paths import DNS_READY_PORT, Cluster, Node

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # both nodes: each has a /run of its own


def containerd(node: Node, runc: str, cni_plugins: str) -> str:
    """containerd's TOML. restrict_oom_score_adj: without CAP_SYS_RESOURCE (many virtual machines) no sandbox would start."""
    return f"""\
version = 3
root = "{node.state}/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs"]

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.internal.v1.opt"]
path = "{node.state}/opt"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{cni_plugins}"]
conf_dir = "{node.state}/cni"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"""


def cni(node: Node) -> str:
    """The pod network of one node: a bridge and a /24; the kernel routes between the two nodes' bridges."""
    plugin = {
        "type": "bridge",
        "bridge": node.pod_bridge,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{node.state}/ipam",
            "ranges": [[{"subnet": node.pod_subnet}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return json.dumps({"cniVersion": "1.0.0", "name": node.pod_bridge, "plugins": [plugin]}, indent=2)


def kubelet(node: Node) -> str:
    """The kubelet's configuration (JSON is YAML)."""
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{node.cluster.state}/pki/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "clusterDNS": [node.cluster.nodes[0].address],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "evictionHard": {"memory.available": "200Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "healthzPort": 0,  # both nodes share one network: no port of the loopback twice
        "imageGCHighThresholdPercent": 100,  # nothing could bring a collected image back: there is no registry
        "makeIPTablesUtilChains": False,
        "podLogsDir": f"{node.state}/pods-log",
        "registerNode": True,
        "resolvConf": f"{node.cluster.state}/resolv.conf",
    }
    return json.dumps(document, indent=2)


def resolv(cluster: Cluster) -> str:
    return f"nameserver {cluster.nodes[0].address}\n"


def corefile(cluster: Cluster) -> str:
    """CoreDNS: the cluster's names. Any other name gets NXDOMAIN at once, as nothing outside can be reached."""
    address = cluster.nodes[0].address
    return f"""\
cluster.local:53 in-addr.arpa:53 {{
    bind {address}
    errors
    ready :{DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {cluster.state}/pki/admin.kubeconfig {cluster.name}
        ttl 2
    }}
}}
.:53 {{
    bind {address}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
