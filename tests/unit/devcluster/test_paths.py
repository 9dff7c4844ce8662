import pytest

from devcluster.paths import Cluster


def test_two_clusters_share_no_address_link_or_folder() -> None:
    one, other = Cluster("lwm-test"), Cluster("lwm-quickstart")
    for field in ("state", "netns", "host_address", "address", "host_link", "cluster_link", "kubeconfig"):
        assert getattr(one, field) != getattr(other, field)
    assert not {node.cgroup for node in one.nodes} & {node.cgroup for node in other.nodes}


def test_both_ends_of_the_link_lie_in_one_network_of_four() -> None:
    cluster = Cluster("lwm-test")
    assert cluster.host_address.rsplit(".", 1)[0] == cluster.address.rsplit(".", 1)[0]
    assert len(cluster.host_link) <= 15  # the kernel's limit


def test_nodes_differ_in_address_subnet_bridge_and_cgroup() -> None:
    first, second = Cluster().nodes
    for field in ("name", "address", "pod_subnet", "pod_bridge", "cgroup", "state"):
        assert getattr(first, field) != getattr(second, field)


@pytest.mark.parametrize("name", ["", "test", "default", "lwm-", "lwm-UP", "lwm-a/b", "lwm-..", "lwm-" + "a" * 17])
def test_a_name_that_could_be_somebody_elses_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"--name .*must be 'lwm-'"):
        Cluster(name)


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LWM_CACHE", "/somewhere")
    assert str(Cluster("lwm-test").kubeconfig) == "/somewhere/clusters/lwm-test/kubeconfig"
