import json
import tomllib

from devcluster import configs, control_plane, network, pki
from devcluster.paths import POD_SUBNET, SERVICE_SUBNET, Cluster

CLUSTER = Cluster("lwm-test")
FIRST, SECOND = CLUSTER.nodes


def test_containerd_starts_without_the_right_to_lower_oom_scores() -> None:
    plugins = tomllib.loads(configs.containerd(FIRST, "/usr/sbin/runc", "/usr/lib/cni"))["plugins"]
    runtime = plugins["io.containerd.cri.v1.runtime"]
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["cni"] == {"bin_dirs": ["/usr/lib/cni"], "conf_dir": f"{FIRST.state}/cni"}
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is False
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == configs.PAUSE_IMAGE


def test_the_two_containerds_share_no_root() -> None:
    roots = {tomllib.loads(configs.containerd(node, "runc", "cni"))["root"] for node in CLUSTER.nodes}
    assert len(roots) == 2


def test_a_kubelet_keeps_to_its_own_cgroup_address_and_logs() -> None:
    first, second = (json.loads(configs.kubelet(node)) for node in CLUSTER.nodes)
    for field in ("address", "cgroupRoot", "podLogsDir"):
        assert first[field] != second[field]
    assert first["healthzPort"] == second["healthzPort"] == 0
    assert first["failCgroupV1"] is False
    assert first["authentication"]["anonymous"]["enabled"] is False


def test_each_node_has_its_own_bridge_and_subnet() -> None:
    plugins = [json.loads(configs.cni(node))["plugins"][0] for node in CLUSTER.nodes]
    assert [plugin["bridge"] for plugin in plugins] == ["cni0", "cni1"]
    assert [plugin["ipam"]["ranges"] for plugin in plugins] == [[[{"subnet": "10.244.0.0/24"}]], [[{"subnet": "10.244.1.0/24"}]]]


def test_names_outside_the_cluster_do_not_exist() -> None:
    inner, outer = configs.corefile(CLUSTER).split(".:53 {")
    assert "kubernetes cluster.local" in inner
    assert "rcode NXDOMAIN" in outer


def test_components_agree_on_subnets_and_keys() -> None:
    commands = control_plane.commands(CLUSTER)
    assert f"--service-cluster-ip-range={SERVICE_SUBNET}" in commands["kube-apiserver"]
    assert f"--cluster-cidr={POD_SUBNET}" in commands["kube-proxy"]
    assert "--masquerade-all" in commands["kube-proxy"]
    key = f"{pki.folder(CLUSTER)}/service-accounts.key"
    assert f"--service-account-signing-key-file={key}" in commands["kube-apiserver"]
    assert f"--service-account-private-key-file={key}" in commands["kube-controller-manager"]


def test_everything_but_the_host_link_is_made_inside_the_namespace() -> None:
    outside = [command for command in network.plan(CLUSTER) if command[0] != "nsenter"]
    assert all(CLUSTER.host_link in command for command in outside)
    assert len(outside) == 3


def test_the_two_halves_of_the_world_are_unreachable_at_once() -> None:
    words = [" ".join(command) for command in network.plan(CLUSTER)]
    assert sum("route add unreachable" in line for line in words) == 2
    assert any(f"route add {SERVICE_SUBNET}" in line for line in words)
