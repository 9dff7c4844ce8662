"""What may change after creation, on a real API server: each rule refuses one edit and admits another."""

from typing import Any

import pytest

from lwm_operator.api import names
from lwm_operator.api.stage_status import StageState, StageStatus
from lwm_operator.api.status import Status
from lwm_operator.cluster.client import Client
from lwm_operator.cluster.status import write_status
from simulation.builders import spec, stage
from support.api_requests import change, create, reload

BOOKS = spec()["datasets"]
FIXED: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed cannot change"),
    "model": ({"model": {"layers": 5}}, "model cannot change"),
    "where the model comes from": ({"model": {"initFrom": {"uri": "gs://lwm/llama"}}}, "model cannot change"),
    "precision": ({"precision": {"compute": "bfloat16"}}, "precision cannot change"),
    "tokenizer": ({"tokenizer": {"uri": "gs://lwm/other"}}, "tokenizer cannot change"),
    "datasets": (
        {"datasets": [*BOOKS, {"name": "b", "source": {"uri": "gs://lwm/b"}}]},
        "datasets cannot be added, removed or moved",
    ),
    "source of a data set": ({"datasets": [BOOKS[0] | {"source": {"uri": "gs://lwm/b"}}]}, "a data set cannot change"),
    "preparation of a data set": ({"datasets": [BOOKS[0] | {"preparation": {"workers": 2}}]}, "a data set cannot change"),
    "no hash": ({"datasets": [BOOKS[0] | {"acceptChangeTo": "all"}]}, "acceptChangeTo"),
    "checkpoint uri": ({"checkpoint": {"uri": "gs://lwm/elsewhere"}}, "uri, pvc and endpoint cannot change"),
    "checkpoint endpoint": ({"checkpoint": {"endpoint": None}}, "uri, pvc and endpoint cannot change"),
    "checkpoint kind": ({"checkpoint": {"uri": None, "pvc": {"claimName": "x"}}}, "uri, pvc and endpoint cannot change"),
}


@pytest.mark.parametrize("name", FIXED)
async def test_what_makes_the_result_cannot_change(client: Client, namespace: str, name: str) -> None:
    patch, message = FIXED[name]
    assert message in await change(client, await create(client, namespace), {"spec": patch})


async def test_what_does_not_can(client: Client, namespace: str) -> None:
    training = await create(client, namespace)
    for patch in (
        {"checkpoint": {"maxToKeep": 7}},
        {"checkpoint": {"saveIntervalSteps": 3}},
        {"image": "x:1"},
        {"podTemplate": {"nodeSelector": {"a": "b"}}},
        {"datasets": [BOOKS[0] | {"acceptChangeTo": "0123456789abcdef"}]},
    ):
        assert await change(client, training, {"spec": patch}) == ""


async def test_a_stage_that_has_begun_is_fixed_and_later_ones_are_not(client: Client, namespace: str) -> None:
    three = [stage("a"), stage("b"), stage("c")]
    training = await create(client, namespace, stages=three)
    assert await change(client, training, {"spec": {"stages": [stage("a", steps=70), *three[1:]]}}) == ""
    assert await change(client, training, {"spec": {"stages": three}}) == ""
    begun = Status(
        current_stage=2, stages=(StageStatus(name="a", state=StageState.COMPLETE), StageStatus(name="b", state=StageState.RUNNING))
    )
    await write_status(client, await reload(client, training), begun)
    words = "a stage that has begun cannot change, move or be removed"
    for stages in (
        [stage("a", steps=61), *three[1:]],
        [three[0], stage("b", ropeTheta=1e6), three[2]],
        [three[1], three[0], three[2]],
        three[:1],
        [three[0], stage("new"), *three[1:]],
    ):
        assert words in await change(client, training, {"spec": {"stages": stages}})
    for stages in (
        [three[0], three[1], stage("c", steps=5)],
        [*three, stage("d")],
        three[:2],
        [*three[:2], stage("new"), three[2]],
    ):
        assert await change(client, training, {"spec": {"stages": stages}}) == ""


async def test_hosts_may_change_until_a_stage_has_begun(client: Client, namespace: str) -> None:
    training = await create(client, namespace)
    four = {"spec": {"accelerator": {"cpu": {"hosts": 4, "devicesPerHost": 2}}}}
    two = {"spec": {"accelerator": {"cpu": {"hosts": 2, "devicesPerHost": 4}}}}
    assert await change(client, training, four) == ""
    assert await change(client, training, two) == ""
    await write_status(
        client, await reload(client, training), Status(current_stage=1, stages=(StageStatus(name="ctx512", state=StageState.RUNNING),))
    )
    assert "spec.accelerator cannot change once a stage has begun" in await change(client, training, four)


async def test_the_operator_may_not_be_needed_to_delete(client: Client, namespace: str) -> None:
    training = await create(client, namespace)
    body = await client.get(f"/apis/lwm.dev/v1alpha1/namespaces/{namespace}/{names.PLURAL}/{training.metadata.name}")
    assert body is not None
    assert "finalizers" not in body["metadata"]
    assert "annotations" not in body["metadata"]
