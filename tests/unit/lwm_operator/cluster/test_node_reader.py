from collections import Counter
from typing import Any

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.snapshot import observe
from simulation.builders import NOW, UID, training
from support.in_memory_api import InMemoryApi

POOL = "cloud.google.com/gke-nodepool"


class CountingApi(InMemoryApi):
    """It counts which objects are read, by path."""

    def __init__(self) -> None:
        super().__init__()
        self.read: Counter[str] = Counter()

    async def get(self, path: str) -> dict[str, Any] | None:
        self.read[path] += 1
        return await super().get(path)


async def test_a_node_is_read_once_in_a_look_and_anew_in_the_next() -> None:
    """The node of a pod of a TPU slice that is being deleted: is it lost, and which pool is it in?"""
    api = CountingApi()
    labels = names.labels("bible", UID, 1, 1) | {names.LABEL_SLICE: "0"}
    about = {"name": "bible-s1-a1", "namespace": "default", "labels": labels}
    owner = {"kind": names.KIND, "apiVersion": names.API_VERSION, "name": "bible", "uid": UID, "controller": True}
    job = api.put(f"{paths.collection('Job', 'default')}/bible-s1-a1", {"metadata": about | {"ownerReferences": [owner]}, "spec": {}})
    of_job = {"kind": "Job", "apiVersion": "batch/v1", "name": "bible-s1-a1", "uid": job["metadata"]["uid"], "controller": True}
    term = {"topologyKey": POOL, "labelSelector": {}}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    deleted = about | {"name": "bible-s1-a1-0", "ownerReferences": [of_job], "deletionTimestamp": "2026-01-01T12:00:00Z"}
    pod = {"metadata": deleted, "spec": {"nodeName": "a1", "affinity": affinity}, "status": {"phase": "Running"}}
    api.put(f"{paths.collection('Pod', 'default')}/bible-s1-a1-0", pod)
    api.put(paths.node("a1"), {"metadata": {"name": "a1", "labels": {POOL: "pool-a"}}})
    for look in (1, 2):
        observed = await observe(api, training(), NOW)
        assert (observed.node_pools, observed.lost_nodes) == ({"a1": "pool-a"}, {"a1": "NodeNotReady"})
        assert api.read[paths.node("a1")] == look
