"""A data set is prepared before the first stage that draws on it: on a real API server with its Job controller; the pods are played."""

import json
from typing import Any

from lwm_operator.api import names
from lwm_operator.api.dataset_status import DatasetState
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Body, Client, Patch
from lwm_trainer.config import PROGRESS_ANNOTATION, Preparation, Prepared, TerminationMessage
from support.api_requests import change, create, reload
from support.fake_kubelet import finish_worker, worker_pods
from support.reconcile_passes import Operator, children, until

PLACE = "gs://lwm/runs/datasets/0123456789abcdef"
NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}
BOOKS = {"name": "books", "source": {"uri": "gs://lwm/books"}, "preparation": {"workers": 2}}
JOB = "bible-d1-r0"


async def ask(client: Client, namespace: str, **changes: Any) -> Training:
    return await create(client, namespace, **{"podTemplate": NOWHERE, "datasets": [BOOKS], **changes})


async def begun(client: Client, operator: Operator, training: Training, job: str = JOB) -> list[Body]:
    """The pods of the preparation, once its controller has made them."""
    pods: list[Body] = []

    async def both_are_there() -> bool:
        await operator.reconcile(training)
        pods[:] = await worker_pods(client, training.metadata.namespace, job)
        return len(pods) == 2

    await until(both_are_there)
    return pods


async def test_a_stage_begins_when_its_data_set_is_ready_and_is_told_the_place(client: Client, rights: Client, namespace: str) -> None:
    """In a namespace that admits restricted pods only, with the rights that the chart gives."""
    operator, training = Operator(rights), await ask(client, namespace)
    pods = await begun(client, operator, training)
    listed = await children(client, training)
    for kind in ("Job", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding"):
        assert [body["metadata"]["name"] for body in listed[kind]] == [JOB], "and nothing of an attempt"

    async def held_up() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.reason == "Unschedulable"

    await until(held_up)
    status = (await reload(client, training)).status
    assert (status.phase, status.current_stage) == (Phase.STARTING, None)
    assert status.message.startswith("stage 1/1 ctx512: data set books: 2 of 2 pods since ")

    report = Preparation(shards=8, shards_done=3, tokens=1_200_000, bytes_per_second=35e6, eta_seconds=40)
    lease = {"metadata": {"annotations": {PROGRESS_ANNOTATION: report.model_dump_json(by_alias=True)}}}
    await client.patch(paths.item("Lease", namespace, JOB), lease, Patch.MERGE, manager="trainer")
    await operator.reconcile(training)
    (dataset,) = (await reload(client, training)).status.datasets
    assert (dataset.state, dataset.shards, dataset.shards_done, dataset.eta_seconds) == (DatasetState.PREPARING, 8, 3, 40)
    assert "3 of 8 shards, 1.2M tokens, 35 MB/s, 40s left" in dataset.message

    done = Prepared(uri=PLACE, documents=12, tokens=3400)
    await finish_worker(client, pods[0], TerminationMessage(code=0, reason="Complete", prepared=done))
    await finish_worker(client, pods[1], TerminationMessage(code=0, reason="Complete"))

    async def first() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.attempt == 1

    await until(first)
    (dataset,) = (await reload(client, training)).status.datasets
    assert (dataset.state, dataset.path, dataset.documents, dataset.tokens) == (DatasetState.READY, PLACE, 12, 3400)
    carried = await client.get(paths.item("ConfigMap", namespace, "bible-s1-a1"))
    assert carried is not None
    assert [each["prepared"] for each in json.loads(carried["data"][names.RUN_CONFIG_KEY])["datasets"]] == [PLACE]
    assert (await client.get(paths.item("Job", namespace, JOB))) is not None, "its pods' logs can still be read"
    notes = {event["reason"]: event["note"] for event in await client.list(paths.collection("Event", namespace))}
    assert notes["DatasetReady"] == f"data set books: 12 documents, 3.4k tokens, {PLACE}"


async def test_bad_data_ends_the_job_at_once_and_fails_the_training_with_file_and_line(
    client: Client, rights: Client, namespace: str
) -> None:
    operator, training = Operator(rights), await ask(client, namespace)
    pods = await begun(client, operator, training)
    words = "gs://lwm/books/a.jsonl, line 7: no field text"
    await finish_worker(client, pods[1], TerminationMessage(code=65, reason="DataCorrupt", message=words))

    async def failed() -> bool:
        await operator.reconcile(training)
        return (await reload(client, training)).status.phase == Phase.FAILED

    await until(failed)
    status = (await reload(client, training)).status
    assert (status.reason, words in status.message, status.current_stage) == ("DataCorrupt", True, None)
    assert "set spec.resume to 1" in status.message

    async def ended_by_policy() -> bool:
        job = await client.get(paths.item("Job", namespace, JOB))
        assert job is not None
        conditions = job["status"].get("conditions", ())
        return any(condition["reason"] == "PodFailurePolicy" for condition in conditions if condition["type"] == "FailureTarget")

    await until(ended_by_policy)  # the operator may have read the pod before the Job's controller did

    assert await change(client, training, {"spec": {"resume": 1}}) == ""
    await begun(client, operator, training, "bible-d1-r1")

    async def only_the_new_one() -> bool:
        await operator.reconcile(training)
        return [body["metadata"]["name"] for body in (await children(client, training))["Job"]] == ["bible-d1-r1"]

    await until(only_the_new_one)


async def test_one_that_is_suspended_goes_and_comes_anew_under_its_name(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await ask(client, namespace)
    old = {pod["metadata"]["uid"] for pod in await begun(client, operator, training)}
    assert await change(client, training, {"spec": {"suspend": True}}) == ""

    async def nothing() -> bool:
        await operator.reconcile(training)
        listed = await children(client, training)
        return not any(listed[kind] for kind in ("Job", "Pod", "Lease", "ConfigMap", "Role"))

    await until(nothing)
    assert (await reload(client, training)).status.phase == Phase.SUSPENDED
    assert await change(client, training, {"spec": {"suspend": False}}) == ""
    assert not old & {pod["metadata"]["uid"] for pod in await begun(client, operator, training)}


async def test_a_preparation_of_which_the_status_was_lost_is_taken_up(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await ask(client, namespace)
    await begun(client, operator, training)
    uid = (await children(client, training))["Job"][0]["metadata"]["uid"]
    place = paths.item(names.KIND, namespace, "bible") + "/status"
    await client.patch(place, {"status": None}, Patch.MERGE, manager="tests")
    await operator.reconcile(training)
    assert [job["metadata"]["uid"] for job in (await children(client, training))["Job"]] == [uid]
    assert (await reload(client, training)).status.datasets[0].run == 0


async def test_it_goes_with_its_training(client: Client, rights: Client, namespace: str) -> None:
    operator, training = Operator(rights), await ask(client, namespace)
    await begun(client, operator, training)
    await client.call("DELETE", paths.item(names.KIND, namespace, "bible"))

    async def nothing() -> bool:
        await operator.reconcile(training)
        return not any((await children(client, training)).values())

    await until(nothing)
