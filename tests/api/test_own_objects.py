"""The chart's policy on a real API server: the operator's account writes only what belongs to a training."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable

import pytest

from lwm_operator.cluster import paths
from lwm_operator.cluster.apply import carry_out
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.leader import Leader
from lwm_operator.plan.actions import CleanUp, DeleteAttempt, DeletePod
from support.api_requests import create
from support.helm_chart import apply, remove_global, rendered
from support.rbac_calls import IMAGE, jobs, started

SENTENCE = "only objects that belong to an LWMTraining"


@pytest.fixture
async def policy(client: Client, rights: Client, namespace: str) -> AsyncIterator[None]:
    """In force for the operator's account, which some moments pass until."""
    watched = f"--set=watchNamespaces={{{namespace}}}"
    bodies = rendered(namespace, namespace, watched, "--show-only=templates/admission.yaml")
    await apply(client, bodies)
    collection = paths.collection("ConfigMap", namespace)
    async with asyncio.timeout(60):
        for number in itertools.count():
            if SENTENCE in await refusal(rights.call("POST", collection, body=foreign(f"early-{number}"))):
                break
            await asyncio.sleep(0.3)
    yield
    await remove_global(client, bodies)


def foreign(name: str) -> Body:
    return {"metadata": {"name": name}, "data": {"a": "b"}}


async def refusal(write: Awaitable[object]) -> str:
    """The policy's answer to the write, empty where it passes."""
    try:
        await write
    except ApiError as error:
        return error.message if SENTENCE in error.message else f"refused by somebody else: {error}"
    return ""


async def test_it_may_touch_nothing_foreign(client: Client, rights: Client, policy: None, namespace: str) -> None:
    for kind, body in (
        ("ConfigMap", foreign("theirs")),
        ("ServiceAccount", foreign("theirs") | {"data": None}),
        ("Service", {"metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 80}]}}),
        ("Lease", {"metadata": {"name": "theirs"}}),
        ("Role", {"metadata": {"name": "theirs"}, "rules": []}),
    ):
        path = paths.item(kind, namespace, "theirs")
        await client.call("POST", paths.collection(kind, namespace), body=body)
        assert SENTENCE in await refusal(rights.call("DELETE", path)), kind
        if kind != "ConfigMap":
            change = {"metadata": {"labels": {"lwm.dev/training": "x"}}}
            assert SENTENCE in await refusal(rights.patch(path, change, Patch.MERGE, manager="x")), kind


async def test_its_own_work_passes(client: Client, rights: Client, policy: None, namespace: str) -> None:
    training = await create(client, namespace)
    await carry_out(rights, training, started(training), IMAGE)
    await carry_out(rights, training, started(training), IMAGE)
    async with asyncio.timeout(60):
        while not (pods := await client.list(paths.collection("Pod", namespace))):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await carry_out(rights, training, DeletePod(name=pods[0]["metadata"]["name"], uid=pods[0]["metadata"]["uid"], grace_seconds=0), IMAGE)
    first = DeleteAttempt(stage=1, attempt=1, jobs=await jobs(rights, training))
    await carry_out(rights, training, CleanUp(attempts=(first,)), IMAGE)
    assert await client.get(paths.item("Service", namespace, training.metadata.name)) is None


async def test_its_leader_election_passes(rights: Client, policy: None, namespace: str) -> None:
    leader = Leader(rights, namespace=namespace, name=f"{namespace}-leader", identity="tests", now=rights.now)
    async with asyncio.timeout(10):
        await leader.acquire()
        await leader.acquire()
        await leader.release()
