"""No Secret's value gets out of its Secret: not into a status, an Event, a child or a log, through failures on a real kubelet."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import Client
from support.api_requests import create, manifest, refusal, reload, submit
from support.operator_process import Process

VALUE = "correct-horse-battery-staple"
IMAGE = "lwm.dev/fake-gcs-server:pinned"
"""On every node of the embedded cluster, and without a Python: pods get as far as their container, with the Secret, and fail."""
KINDS = (names.KIND, "Job", "Pod", "Service", "ConfigMap", "Lease", "ServiceAccount", "Role", "RoleBinding", "Event")


@pytest.fixture
def operator(account: Path, namespace: str, tmp_path: Path) -> Iterator[Process]:
    """It logs all that it ever would."""
    process = Process(account, namespace, tmp_path / "log", settings={"LWM_LOG_LEVEL": "DEBUG"})
    yield process
    process.end()


async def test_a_secrets_value_is_in_nothing_that_the_operator_or_the_kubelet_tells(
    client: Client, namespace: str, operator: Process
) -> None:
    secret = {"metadata": {"name": "bucket"}, "stringData": {"key": VALUE}}
    await client.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body=secret)
    source = {"secretKeyRef": {"name": "bucket", "key": "key"}}
    training = await create(client, namespace, image=IMAGE, podTemplate={"env": [{"name": "BUCKET_KEY", "valueFrom": source}]})
    async with asyncio.timeout(90):
        while not (status := (await reload(client, training)).status).stages or not status.stages[0].recent_attempts[1:]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    cause = status.stages[0].recent_attempts[1].root_cause
    assert cause is not None
    assert 'exec: "python"' in cause.message, "a container was about to start, with the value in its environment"
    assert operator.stop() == 0
    texts = {kind: json.dumps(await client.list(paths.collection(kind, namespace))) for kind in KINDS}
    texts["Event of v1"] = json.dumps(await client.list(f"/api/v1/namespaces/{namespace}/events"))
    texts["log"] = await asyncio.to_thread(operator.log.read_text)
    assert [where for where, text in texts.items() if VALUE in text] == []
    assert [where for where, text in texts.items() if "BUCKET_KEY" not in text and where in (names.KIND, "Pod", "Job")] == []
    assert all(len(text) > 100 for text in texts.values()), "an empty list tells nothing"


async def test_an_endpoint_with_a_password_is_refused_and_not_repeated(client: Client, namespace: str) -> None:
    body = manifest(namespace, checkpoint={"uri": "gs://lwm/runs", "endpoint": f"http://user:{VALUE}@store:4443"})
    message = await refusal(client, body)
    assert "endpoint must contain no user and no password" in message
    assert VALUE not in message
    body["spec"]["checkpoint"]["endpoint"] = "http://store:4443"
    assert (await submit(client, body)).spec.checkpoint.endpoint == "http://store:4443"
