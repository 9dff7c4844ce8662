from typing import Any

from lwm_operator.cluster.node_pools import MAX_NODES, find_node_pools
from lwm_operator.cluster.node_reader import NodeReader
from lwm_operator.cluster.parse_pods import parse_pod
from support.in_memory_api import InMemoryApi

POOL = "cloud.google.com/gke-nodepool"


def pod(node: str, attempt: int = 2, code: int | None = 137, together: bool = True) -> dict[str, Any]:
    labels = {"lwm.dev/stage": "1", "lwm.dev/attempt": str(attempt)}
    term = {"topologyKey": POOL, "labelSelector": {}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}} if together else {}
    state = {"terminated": {"exitCode": code}} if code is not None else {"running": {}}
    status = {"phase": "Running", "containerStatuses": [{"name": "trainer", "state": state}]}
    return {
        "metadata": {"name": f"p-{node}", "uid": node, "labels": labels},
        "spec": {"nodeName": node, "affinity": affinity},
        "status": status,
    }


async def pools(*pods: dict[str, Any], nodes: tuple[str, ...] = ("a1", "a2", "b1")) -> tuple[dict[str, str], InMemoryApi]:
    api = InMemoryApi()
    for name in nodes:
        api.put(f"/api/v1/nodes/{name}", {"metadata": {"name": name, "labels": {POOL: f"pool-{name[0]}"}}})
    return dict(await find_node_pools(NodeReader(api), pods, [parse_pod(body) for body in pods])), api


async def test_the_pools_of_failed_hosts_are_read() -> None:
    known, _ = await pools(pod("a1"), pod("b1"), pod("a2", code=None))
    assert known == {"a1": "pool-a", "b1": "pool-b"}


async def test_nothing_is_read_where_a_pod_may_run_anywhere_or_all_is_well() -> None:
    for body in (pod("a1", together=False), pod("a1", code=None)):
        assert (await pools(body))[0] == {}
    assert (await pools(pod("a1", attempt=1), pod("b1", code=None)))[0] == {}, "the end of an earlier attempt is judged already"
    assert (await pools())[0] == {}


async def test_a_node_that_is_gone_has_no_pool_and_many_nodes_are_not_read_at_once() -> None:
    assert (await pools(pod("a1"), nodes=()))[0] == {}
    many = [f"a{number:02}" for number in range(40)]
    known, _ = await pools(*(pod(node) for node in many), nodes=tuple(many))
    assert len(known) == MAX_NODES
