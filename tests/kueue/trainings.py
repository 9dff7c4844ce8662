"""A queue with room for one training, and trainings in it whose pods find no node: what would be written of them is written here."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from lwm_operator.api import names
from lwm_operator.api.status import Status
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_trainer.config import PROGRESS_ANNOTATION
from support.api_requests import create, reload

QUEUE = "lwm-tests"
KUEUE = "/apis/kueue.x-k8s.io/v1beta2"
NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}


@asynccontextmanager
async def prepare(client: Client) -> AsyncIterator[str]:
    """The namespace with its LocalQueue, the ClusterQueue (on hold), a flavour and a priority class; all of it goes at the end."""
    namespace = f"kueue-{uuid.uuid4().hex[:6]}"
    await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
    places = {
        f"{KUEUE}/resourceflavors": {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": QUEUE}},
        f"{KUEUE}/clusterqueues": cluster_queue(),
        f"{KUEUE}/namespaces/{namespace}/localqueues": {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "LocalQueue",
            "metadata": {"name": QUEUE},
            "spec": {"clusterQueue": QUEUE},
        },
        "/apis/scheduling.k8s.io/v1/priorityclasses": {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "lwm-high"},
            "value": 1000,
        },
    }
    try:
        for place, body in places.items():
            await client.call("POST", place, body=body)
        yield namespace
    finally:
        # One after the other, while Kueue runs: each holds the one before it by a finalizer that only Kueue takes away.
        await _remove(client, f"/api/v1/namespaces/{namespace}")
        for place, body in reversed(places.items()):
            if "/namespaces/" not in place:
                await _remove(client, f"{place}/{body['metadata']['name']}")


async def _remove(client: Client, path: str) -> None:
    async with asyncio.timeout(90):
        while await client.get(path) is not None:
            with suppress(ApiError):  # a namespace that is being deleted conflicts
                await client.call("DELETE", path)
            await asyncio.sleep(0.5)


def cluster_queue() -> Body:
    """Two hosts of one training ask for 500m and 2Gi."""
    quotas = [{"name": "cpu", "nominalQuota": "500m"}, {"name": "memory", "nominalQuota": "4Gi"}]
    return {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": QUEUE},
        "spec": {
            "namespaceSelector": {},
            "stopPolicy": "Hold",
            "preemption": {"withinClusterQueue": "LowerPriority"},
            "resourceGroups": [{"coveredResources": ["cpu", "memory"], "flavors": [{"name": QUEUE, "resources": quotas}]}],
        },
    }


class Following:
    """One training of the queue."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self.client, self.namespace, self.name = client, namespace, name

    async def create(self, **execution: object) -> None:
        self.training = await create(
            self.client, self.namespace, self.name, podTemplate=NOWHERE, execution={"queueName": QUEUE, **execution}
        )

    async def status(self) -> Status:
        return (await reload(self.client, self.training)).status

    async def change(self, spec: Body) -> None:
        path = paths.item(names.KIND, self.namespace, self.name)
        await self.client.patch(path, {"spec": spec}, Patch.MERGE, manager="tests")

    async def jobs(self) -> list[str]:
        jobs = await self.client.list(paths.collection("Job", self.namespace), f"{names.LABEL_TRAINING}={self.name}")
        return [job["metadata"]["name"] for job in jobs]

    async def train(self) -> None:
        """All hosts run, and process 0 says so."""
        (job,) = await self.jobs()
        attempt = int(job.rsplit("-a", 1)[1])
        selector = f"{names.LABEL_TRAINING}={self.name},{names.LABEL_ATTEMPT}={attempt}"
        for pod in await self.client.list(paths.collection("Pod", self.namespace), selector):
            path = paths.item("Pod", self.namespace, pod["metadata"]["name"]) + "/status"
            await self.client.patch(path, {"status": {"phase": "Running"}}, Patch.MERGE, manager="kubelet")
        progress = {"attempt": attempt, "phase": "Training", "phaseDeadlineSeconds": 600, "step": 5, "steps": 60, "committedStep": 5}
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {"metadata": {"annotations": {PROGRESS_ANNOTATION: json.dumps(progress)}}, "spec": {"renewTime": when}}
        await self.client.patch(paths.item("Lease", self.namespace, job), lease, Patch.MERGE, manager="trainer")
