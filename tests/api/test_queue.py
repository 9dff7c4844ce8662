"""Kueue's part played on a real API server, with the same writes: it suspends and unsuspends the Job, and says why in a Workload."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from lwm_operator.api import names
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.reconcile import Reconciler
from lwm_trainer.config import PROGRESS_ANNOTATION
from support.api_requests import change, create, reload

NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/workloads.kueue.x-k8s.io"
CRD: Body = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "workloads.kueue.x-k8s.io",
        "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/kueue"},
    },
    "spec": {
        "group": "kueue.x-k8s.io",
        "scope": "Namespaced",
        "names": {"kind": "Workload", "plural": "workloads", "singular": "workload"},
        "versions": [
            {
                "name": "v1beta2",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                "subresources": {"status": {}},
            }
        ],
    },
}
"""As much of Kueue's as the operator looks at."""


class Team:
    """A training in queue `team` and its operator."""

    def __init__(self, client: Client, rights: Client, training: Training) -> None:
        self.client, self.training = client, training
        cluster = KubernetesCluster(rights, trainer_image="registry.invalid/none", instance="test", now=lambda: datetime.now(UTC))
        self.reconciler = Reconciler(cluster)

    async def status(self) -> Status:
        """After one pass."""
        await self.reconciler.reconcile(TrainingKey(self.training.metadata.namespace, self.training.metadata.name))
        return (await reload(self.client, self.training)).status

    async def until(self, check: Any) -> Status:
        """Passes until the status fulfils `check`; fails with the last one's words."""
        last_status = ""
        try:
            async with asyncio.timeout(40):
                while True:
                    status = await self.status()
                    last_status = f"{status.phase} {status.reason}: {status.message}"
                    if check(status):
                        return status
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail(f"the last status was {last_status}")

    async def list(self, kind: str) -> list[Body]:
        selector = f"{names.LABEL_TRAINING}={self.training.metadata.name}"
        return await self.client.list(paths.collection(kind, self.training.metadata.namespace), selector)

    async def job(self) -> Body:
        """The only one."""
        (job,) = await self.list("Job")
        return job

    async def train(self, step: int) -> None:
        """What the kubelets and process 0 write while the pods run; here no pod needs a node."""
        for about in [pod["metadata"] for pod in await self.list("Pod")]:
            path = paths.item("Pod", about["namespace"], about["name"]) + "/status"
            await self.client.patch(path, {"status": {"phase": "Running"}}, Patch.MERGE, manager="kubelet")
        about = (await self.job())["metadata"]
        report = {"attempt": int(about["labels"][names.LABEL_ATTEMPT]), "phase": "Training", "phaseDeadlineSeconds": 600}
        words = json.dumps({**report, "step": step, "steps": 60, "committedStep": step})
        when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {"metadata": {"annotations": {PROGRESS_ANNOTATION: words}}, "spec": {"renewTime": when}}
        await self.client.patch(paths.item("Lease", about["namespace"], about["name"]), lease, Patch.MERGE, manager="trainer")

    async def unschedulable(self) -> Status:
        """Passes until the status speaks of both pods: the Job's controller makes them one after the other."""
        return await self.until(lambda status: status.reason == "Unschedulable" and "2 of 2 pods" in status.message)

    async def pods(self, count: int) -> None:
        """Waits until the Job's controller has made or taken away all but so many."""
        async with asyncio.timeout(30):
            while len(await self.list("Pod")) != count:  # noqa: ASYNC110 - the cluster changes it, not one of our tasks
                await asyncio.sleep(0.2)

    async def suspend(self, value: bool) -> None:
        """Kueue's write."""
        about = (await self.job())["metadata"]
        path = paths.item("Job", about["namespace"], about["name"])
        await self.client.patch(path, {"spec": {"suspend": value}}, Patch.MERGE, manager="kueue")


@pytest.fixture
async def team(client: Client, rights: Client, namespace: str) -> Team:
    return Team(client, rights, await create(client, namespace, execution={"queueName": "team"}, podTemplate=NOWHERE))


@pytest.fixture
async def kueue(client: Client, namespace: str) -> AsyncIterator[str]:
    """Where Workloads are, as long as the test lasts; where Kueue is installed, its own definition serves."""
    definition = await client.get(DEFINITION)
    if definition is None:
        await client.call("POST", DEFINITION.rsplit("/", 1)[0], body=CRD)
    place = f"/apis/kueue.x-k8s.io/v1beta2/namespaces/{namespace}/workloads"
    async with asyncio.timeout(30):
        while not await _served(client, place):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    yield place
    if definition is None:
        await client.call("DELETE", DEFINITION)
        async with asyncio.timeout(30):
            while await client.get(DEFINITION) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def _served(client: Client, place: str) -> bool:
    try:
        await client.list(place)
    except ApiError as error:
        if error.code in (404, 429, 503):
            return False
        raise
    return True


async def say(client: Client, place: str, job: Body, *conditions: tuple[str, str, str, str]) -> None:
    """The Job's Workload with these conditions (type, status, reason, message)."""
    about = job["metadata"]
    name = f"job-{about['name']}"
    if await client.get(f"{place}/{name}") is None:
        body = {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "Workload",
            "metadata": {"name": name, "labels": {names.LABEL_QUEUED_JOB: about["uid"]}},
            "spec": {"queueName": "team"},
        }
        await client.call("POST", place, body=body)
    when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body_conditions = [
        {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": when}
        for kind, status, reason, message in conditions
    ]
    await client.patch(f"{place}/{name}/status", {"status": {"conditions": body_conditions}}, Patch.MERGE, manager="kueue")


async def test_without_kueue_the_status_says_that_nobody_admits_it(client: Client, team: Team) -> None:
    await _without_kueue(client)
    status = await team.until(lambda status: status.reason == "Queued")
    job = await team.job()
    since = job["metadata"]["creationTimestamp"]
    words = f"stage 1/1 ctx512: attempt 1: waits in queue team since {since}: no Kueue is installed in this cluster, so nobody admits it"
    assert (status.phase, status.message) == (Phase.STARTING, words)
    assert (job["spec"]["suspend"], job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]) == (True, "team")
    assert await team.list("Pod") == []


async def _without_kueue(client: Client) -> None:
    if await client.get("/apis/kueue.x-k8s.io") is not None:
        async with asyncio.timeout(30):  # the API server forgets a group some moments after its definition
            while await client.get(DEFINITION) is None and await client.get("/apis/kueue.x-k8s.io") is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    if await client.get(DEFINITION) is not None:
        pytest.fail("Kueue is installed in this cluster: run this on one of your own, `make cluster-up`")


def _writes(job: Body) -> list[str]:
    """The times at which the operator wrote the Job."""
    return [entry["time"] for entry in job["metadata"]["managedFields"] if entry["manager"] == names.FIELD_MANAGER]


async def test_it_waits_with_kueues_words_and_runs_when_it_is_admitted(client: Client, team: Team, kueue: str) -> None:
    await team.until(lambda status: "no queue has taken it up yet" in status.message)
    before = await team.job()
    await say(client, kueue, before, ("QuotaReserved", "False", "WaitingForQuota", "insufficient unused quota for cpu"))
    await team.until(lambda status: status.message.endswith(": WaitingForQuota: insufficient unused quota for cpu"))
    await team.suspend(False)
    status = await team.unschedulable()
    assert (status.attempt, len(await team.list("Pod"))) == (1, 2)
    after = await team.job()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    writers = {entry["manager"] for entry in after["metadata"]["managedFields"] if entry["manager"] != "kube-controller-manager"}
    assert writers == {names.FIELD_MANAGER, "kueue"}
    assert _writes(after) == _writes(before), "the operator writes a Job once"


async def test_an_evicted_attempt_costs_nothing_and_the_next_one_queues_in_a_job_of_its_own(client: Client, team: Team, kueue: str) -> None:
    await team.status()
    await team.suspend(False)
    await team.unschedulable()
    await team.train(5)
    await team.until(lambda status: status.phase == Phase.RUNNING)
    first = await team.job()
    await say(client, kueue, first, ("Evicted", "True", "Preempted", "Preempted to accommodate a workload"))
    await team.suspend(True)
    status = await team.until(lambda status: status.attempt == 2 and status.reason == "Queued")
    second = await team.job()
    assert (second["metadata"]["name"], second["spec"]["suspend"]) == ("bible-s1-a2", True), "the first one is gone"
    record = status.stages[0].recent_attempts[1]
    assert record.root_cause is not None
    assert (record.root_cause.reason, record.root_cause.failure_class) == ("EvictedByQueue", "Disruption")
    assert record.root_cause.message == "queue team took the nodes back: Preempted: Preempted to accommodate a workload"
    assert (status.stages[0].budgets_used.infra, status.stages[0].budgets_used.app, status.stages[0].failures.disruption) == (0, 0, 1)
    await team.suspend(False)
    status = await team.unschedulable()
    assert (status.phase, status.attempt) == (Phase.RECOVERING, 2)
    await team.pods(2)  # those of the first attempt are gone
    assert {pod["metadata"]["labels"][names.LABEL_ATTEMPT] for pod in await team.list("Pod")} == {"2"}


async def test_an_eviction_and_a_second_admission_that_nobody_saw_cost_nothing_either(client: Client, team: Team) -> None:
    await team.status()
    await team.suspend(False)
    await team.unschedulable()
    await team.train(5)
    await team.suspend(True)
    await team.pods(0)
    first = await team.job()
    assert not first["status"].get("failedIndexes"), "the Job's controller keeps no count of what it takes from a suspended Job"
    await team.suspend(False)
    await team.pods(2)
    status = await team.until(lambda status: status.attempt == 2 and status.reason == "Queued")
    record = status.stages[0].recent_attempts[1]
    assert record.root_cause is not None
    assert (record.root_cause.reason, record.committed_step, status.stages[0].failures.disruption) == ("EvictedByQueue", 5, 1)
    assert (status.stages[0].budgets_used.infra, status.stages[0].budgets_used.app, status.stages[0].budgets_used.hang) == (0, 0, 0)


async def test_an_eviction_of_pods_that_have_not_run_changes_nothing(client: Client, team: Team) -> None:
    await team.status()
    first = await team.job()
    await team.suspend(False)
    await team.unschedulable()
    await team.suspend(True)
    await team.pods(0)
    status = await team.until(lambda status: status.reason == "Queued")
    await team.suspend(False)
    status = await team.unschedulable()
    assert (status.attempt, (await team.job())["metadata"]["uid"]) == (1, first["metadata"]["uid"])


async def test_an_eviction_before_any_pod_changes_nothing(client: Client, team: Team, namespace: str) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await client.call("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", body=quota)
    await team.status()
    first = await team.job()
    await team.suspend(False)
    await team.until(lambda status: status.reason in ("PodsMissing", "QuotaExceeded"))
    await team.suspend(True)
    status = await team.until(lambda status: status.reason == "Queued")
    assert (status.attempt, (await team.job())["metadata"]["uid"]) == (1, first["metadata"]["uid"])


async def test_a_training_that_is_suspended_while_it_waits_leaves_the_queue_and_comes_back(client: Client, team: Team) -> None:
    await team.until(lambda status: status.reason == "Queued")
    assert await change(client, team.training, {"spec": {"suspend": True}}) == ""
    status = await team.until(lambda status: status.reason == "Suspended")
    assert (await team.list("Job"), status.stages[0].failures.disruption) == ([], 0)
    assert await change(client, team.training, {"spec": {"suspend": False}}) == ""
    status = await team.until(lambda status: status.reason == "Queued")
    assert (status.attempt, (await team.job())["metadata"]["name"]) == (2, "bible-s1-a2")


async def test_a_wrong_name_of_a_queue_can_be_mended(client: Client, team: Team) -> None:
    await team.until(lambda status: status.reason == "Queued")
    assert await change(client, team.training, {"spec": {"execution": {"queueName": "other"}}}) == ""
    await team.until(lambda status: "waits in queue other" in status.message)
    assert (await team.job())["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "other"
    assert await change(client, team.training, {"spec": {"execution": {"queueName": None}}}) == ""
    await team.unschedulable()
    assert "kueue.x-k8s.io/queue-name" not in (await team.job())["metadata"]["labels"]
