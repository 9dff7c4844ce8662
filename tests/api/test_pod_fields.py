"""What validation says of the fields of pods, beside what a real API server says of the pods."""

import asyncio

from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.manifests.common import AttemptSpec
from lwm_operator.manifests.job import jobs
from lwm_trainer.config import Start
from simulation.builders import training
from support.pod_fields import NEEDS_PRIVILEGED, RIGHT, STRICTER, WRONG


async def refusal(client: Client, namespace: str, changes: Body) -> str:
    """What the API server says of a pod of a spec with these changes, which nobody validated; empty: it is admitted."""
    attempt = AttemptSpec(training=training(**changes), stage=1, attempt=1, start=Start(), image="registry.invalid/trainer:1", template="t")
    template = jobs(attempt)[0]["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": "pod"}, "spec": template["spec"]}
    pod["spec"]["serviceAccountName"] = "default"
    try:
        await client.call("POST", paths.collection("Pod", namespace), body=pod, query={"dryRun": "All", "fieldValidation": "Strict"})
    except ApiError as error:
        if error.code not in (400, 422):
            raise
        return error.message
    return ""


async def account_of(client: Client, namespace: str) -> None:
    """Pods are refused until the namespace has its default account."""
    async with asyncio.timeout(30):
        while await client.get(paths.item("ServiceAccount", namespace, "default")) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_what_validation_accepts_the_api_server_admits(client: Client, namespace: str, privileged: str) -> None:
    for each in (namespace, privileged):
        await account_of(client, each)
    places = {name: privileged if name in NEEDS_PRIVILEGED else namespace for name in RIGHT}
    refusals = {name: await refusal(client, places[name], changes) for name, changes in RIGHT.items()}
    assert {name: message for name, message in refusals.items() if message} == {}


async def test_what_validation_refuses_the_api_server_would_refuse_in_the_pod(client: Client, namespace: str) -> None:
    await account_of(client, namespace)
    refusals = {name: await refusal(client, namespace, WRONG[name][0]) for name in WRONG.keys() - STRICTER}
    assert [name for name, message in refusals.items() if not message] == []
