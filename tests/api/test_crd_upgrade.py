"""Trainings that are stored with the field names of an earlier CRD, after an upgrade of the CRD, on a real API server."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from lwm_operator.api.lost_fields import LAST_APPLIED
from lwm_operator.api.status import Phase, Status
from lwm_operator.api.training import Training, parse_stored_training
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.status import status_body
from lwm_operator.plan.validation.lost_field_errors import lost_field_errors
from simulation.builders import spec, stage
from support.former_crd import KIND, PLURAL, former_crd, present_crd

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
FORMER = spec(
    checkpoint={"uri": "gs://lwm/runs", "everySteps": 20, "keep": 3},
    stages=[stage(memory={"remat": "layer", "accumulation": 2})],
)
PRESENT = spec(
    checkpoint={"uri": "gs://lwm/runs", "saveIntervalSteps": 20, "maxToKeep": 3},
    stages=[stage(memory={"remat": "full", "gradientAccumulationSteps": 2})],
)
BEGUN = PRESENT | {"stages": [stage(memory={"remat": "layer"})]}
"""As PRESENT, with the stage as it is stored: a stage that has begun cannot change."""
LOST = {"checkpoint.everySteps", "checkpoint.keep", "stages[ctx512].memory.accumulation"}


class Kind:
    """Objects of a kind whose CRD the test exchanges."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.group = client, f"{namespace}.lwm.dev"
        self.collection = f"/apis/{self.group}/v1alpha1/namespaces/{namespace}/{PLURAL}"
        self.namespace = namespace

    async def define(self, definition: Callable[[str], Body], served: Callable[[], Any]) -> None:
        body = definition(self.group)
        await self.client.patch(f"{DEFINITIONS}/{body['metadata']['name']}", body, Patch.APPLY, manager="test")
        async with asyncio.timeout(60):
            while not await served():  # noqa: ASYNC110 - the API server changes it, not one of our tasks
                await asyncio.sleep(0.2)

    def manifest(self, name: str, wanted: Any) -> Body:
        metadata = {"name": name, "namespace": self.namespace}
        return {"apiVersion": f"{self.group}/v1alpha1", "kind": KIND, "metadata": metadata, "spec": wanted}

    def last_applied(self, name: str, wanted: Any) -> Body:
        """The manifest as `kubectl apply` sends it."""
        body = self.manifest(name, wanted)
        return body | {"metadata": body["metadata"] | {"annotations": {LAST_APPLIED: json.dumps(body)}}}

    async def create(self, body: Body) -> None:
        await self.client.call("POST", self.collection, body=body, query={"fieldManager": "kubectl", "fieldValidation": "Strict"})

    async def apply(self, body: Body) -> None:
        """Server-side apply."""
        await self.client.patch(f"{self.collection}/{body['metadata']['name']}", body, Patch.APPLY, manager="user")

    async def apply_by_kubectl(self, body: Body) -> None:
        """The merge patch of `kubectl apply`, which names what was applied before and is not any longer, as far as the object has it."""
        path = f"{self.collection}/{body['metadata']['name']}"
        await self.client.patch(path, body, Patch.MERGE, manager="kubectl-client-side-apply")

    async def body(self, name: str) -> Body:
        body = await self.client.get(f"{self.collection}/{name}")
        assert body is not None
        return body

    async def read(self, name: str) -> Training:
        """As the operator reads it."""
        return parse_stored_training(await self.body(name))


@pytest.fixture
async def kind(client: Client, namespace: str) -> AsyncIterator[Kind]:
    """The CRD with former names; gone in the end."""
    kind = Kind(client, namespace)

    async def served() -> bool:
        try:
            await client.list(kind.collection)
        except ApiError as error:
            if error.code in (404, 429, 503):
                return False
            raise
        return True

    await kind.define(former_crd, served)
    yield kind
    await client.call("DELETE", f"{DEFINITIONS}/{PLURAL}.{kind.group}")


async def upgrade(kind: Kind) -> None:
    """The CRD with present names, once it is served."""
    probe = f"probe-{uuid.uuid4().hex[:6]}"
    await kind.create(kind.manifest(probe, FORMER))

    async def served() -> bool:
        return "everySteps" not in (await kind.body(probe))["spec"]["checkpoint"]

    await kind.define(present_crd, served)


async def test_what_an_upgrade_of_the_crd_drops_is_named_until_the_training_is_applied_again(kind: Kind) -> None:
    await kind.create(kind.last_applied("by-kubectl-apply", FORMER))
    await kind.apply(kind.manifest("by-server-side-apply", FORMER))
    await kind.create(kind.manifest("by-kubectl-create", FORMER))
    names = ("by-kubectl-apply", "by-server-side-apply", "by-kubectl-create")
    await upgrade(kind)
    for name in names:
        training = await kind.read(name)
        assert training.spec.checkpoint.save_interval_steps == 100, "the default in place of what was set"
        assert set(training.lost_fields) >= LOST, name
        assert training.spec.stages[0].memory.remat == "full", "a former value is kept, and means the same"
        (error,) = lost_field_errors(training.lost_fields)
        assert "spec.checkpoint.everySteps (now saveIntervalSteps)" in error
    assert set((await kind.read("by-kubectl-apply")).lost_fields) == LOST
    assert set((await kind.read("by-server-side-apply")).lost_fields) == LOST

    await kind.apply_by_kubectl(kind.last_applied("by-kubectl-apply", PRESENT))
    await kind.apply(kind.manifest("by-server-side-apply", PRESENT))
    await kind.apply(kind.manifest("by-kubectl-create", PRESENT))
    for name in names:
        training = await kind.read(name)
        assert training.lost_fields == (), name
        assert (training.spec.checkpoint.save_interval_steps, training.spec.checkpoint.max_to_keep) == (20, 3)
        assert training.spec.stages[0].memory.gradient_accumulation_steps == 2


async def test_a_stage_that_has_begun_keeps_its_former_value_and_takes_no_present_name(kind: Kind) -> None:
    await kind.create(kind.last_applied("bible", FORMER))
    await upgrade(kind)
    stored = await kind.body("bible")
    assert stored["spec"]["stages"][0]["memory"]["remat"] == "layer", "a value that the CRD no longer lists"
    status = status_body(Status(phase=Phase.RUNNING, current_stage=1))
    metadata = {key: stored["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    wanted = {"apiVersion": stored["apiVersion"], "kind": KIND, "metadata": metadata, "status": status}
    await kind.client.patch(f"{kind.collection}/bible/status", wanted, Patch.APPLY, manager="lwm-operator")
    training = await kind.read("bible")
    assert training.status.current_stage == 1, "the status is written all the same"
    assert set(training.lost_fields) == LOST, "a write of ours takes nothing from the records"

    with pytest.raises(ApiError, match="a stage that has begun cannot change"):
        await kind.apply_by_kubectl(kind.last_applied("bible", PRESENT))
    await kind.apply_by_kubectl(kind.last_applied("bible", BEGUN))
    training = await kind.read("bible")
    assert (training.lost_fields, training.spec.checkpoint.save_interval_steps) == ((), 20)
    assert training.spec.stages[0].memory.remat == "full"
