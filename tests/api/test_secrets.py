"""No Secret's value gets out of its Secret: not into a status, an Event, a child or a log, through failures on a real kubelet."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client
from support.api_requests import create, look, manifest, refusal, submit
from support.operator_process import Process

VALUE = "correct-horse-battery-staple"
IMAGE = "lwm.dev/fake-gcs-server:pinned"
"""On every node of the embedded cluster, and without a Python: pods get as far as their container, with the Secret, and fail."""
KINDS = (names.KIND, "Job", "Pod", "Service", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding", "Event")


@pytest.fixture
def operator(account: Path, namespace: str, tmp_path: Path) -> Iterator[Process]:
    """It logs all that it ever would."""
    found = Process(account, namespace, tmp_path / "log", settings={"LWM_LOG_LEVEL": "DEBUG"})
    yield found
    found.end()


async def test_a_secrets_value_is_in_nothing_that_the_operator_or_the_kubelet_tells(
    client: Client, namespace: str, operator: Process
) -> None:
    secret = {"metadata": {"name": "bucket"}, "stringData": {"key": VALUE}}
    await client.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body=secret)
    source = {"secretKeyRef": {"name": "bucket", "key": "key"}}
    made = await create(client, namespace, image=IMAGE, podTemplate={"env": [{"name": "BUCKET_KEY", "valueFrom": source}]})
    async with asyncio.timeout(90):
        while not (status := (await look(client, made)).status).stages or not status.stages[0].recent_attempts[1:]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    cause = status.stages[0].recent_attempts[1].root_cause
    assert cause is not None
    assert 'exec: "python"' in cause.message, "a container was about to start, with the value in its environment"
    assert operator.stop() == 0
    told = {kind: json.dumps(await client.list(paths.collection(kind, namespace))) for kind in KINDS}
    told["Event of v1"] = json.dumps(await client.list(f"/api/v1/namespaces/{namespace}/events"))
    told["log"] = await asyncio.to_thread(operator.log.read_text)
    assert [where for where, text in told.items() if VALUE in text] == []
    assert [where for where, text in told.items() if "BUCKET_KEY" not in text and where in (names.KIND, "Pod", "Job")] == []
    assert all(len(text) > 100 for text in told.values()), "an empty list tells nothing"


async def test_an_endpoint_with_a_password_is_refused_and_not_repeated(client: Client, namespace: str) -> None:
    wanted = manifest(namespace, checkpoint={"uri": "gs://lwm/runs", "endpoint": f"http://user:{VALUE}@store:4443"})
    said = await refusal(client, wanted)
    assert "endpoint must contain no user and no password" in said
    assert VALUE not in said
    wanted["spec"]["checkpoint"]["endpoint"] = "http://store:4443"
    assert (await submit(client, wanted)).spec.checkpoint.endpoint == "http://store:4443"
