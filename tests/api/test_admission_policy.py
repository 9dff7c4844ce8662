"""An LWMTraining makes the operator create pods: the chart's admission policy, on a real API server, asks whether the requester could."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from support.api_requests import create, manifest, reload, submit
from support.helm_chart import apply, as_account, remove_global, rendered, token, with_token

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
SENTENCE = "an LWMTraining runs pods: you need the right to create pods in this namespace, ask its administrator for it"


@pytest.fixture
async def policy(client: Client, namespace: str) -> AsyncIterator[None]:
    """In force for everybody as long as the test runs."""
    bodies = rendered(namespace, namespace, "--show-only=templates/admission.yaml")
    await apply(client, bodies)
    yield
    await remove_global(client, bodies)


@pytest.fixture
async def user(client: Client, policy: None, namespace: str, kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Client]:
    """May do all with trainings, and nothing with pods; returns once the policy is in force, some moments after it was made."""
    await client.call("POST", paths.collection("ServiceAccount", namespace), body={"metadata": {"name": "user"}})
    await allow(client, namespace, "trainings", names.GROUP, [names.PLURAL, f"{names.PLURAL}/status"])
    account = await as_account(with_token(kubeconfig, await token(client, namespace, "user"), tmp_path / "user"))
    async with asyncio.timeout(60):
        for number in range(200):
            try:
                await submit(account, manifest(namespace, f"early-{number}"))
            except ApiError as error:
                if SENTENCE in error.message:
                    break
            await asyncio.sleep(0.3)
    yield account
    await account.close()


async def allow(client: Client, namespace: str, name: str, group: str, resources: list[str]) -> None:
    rules = [{"apiGroups": [group], "resources": resources, "verbs": ["create", "get", "update", "patch"]}]
    await client.call("POST", paths.collection("Role", namespace), body={"metadata": {"name": name}, "rules": rules})
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "user", "namespace": namespace}],
    }
    await client.call("POST", paths.collection("RoleBinding", namespace), body=binding)


def path(training: Training, sub: str = "") -> str:
    return paths.item(names.KIND, training.metadata.namespace, training.metadata.name) + sub


async def test_who_may_not_create_pods_may_not_create_trainings_nor_change_what_they_run(
    client: Client, user: Client, namespace: str
) -> None:
    with pytest.raises(ApiError, match="403 Forbidden") as refused:
        await submit(user, manifest(namespace, "new"))
    assert SENTENCE in refused.value.message
    training = await create(client, namespace, "there")
    for change in ({"suspend": True}, {"image": "evil.example/miner:1"}, {"resume": 1}):
        with pytest.raises(ApiError, match="403 Forbidden") as refused:
            await user.patch(path(training), {"spec": change}, Patch.MERGE, manager="user")
        assert SENTENCE in refused.value.message
    whole: Body = await user.call("GET", path(training))
    whole["spec"]["image"] = "evil.example/miner:1"
    with pytest.raises(ApiError, match="403 Forbidden"):
        await user.call("PUT", path(training), body=whole)
    assert (await reload(client, training)).spec == training.spec


async def test_what_changes_no_spec_passes(client: Client, user: Client, namespace: str) -> None:
    """Labels for people, and the operator's own status: its account may create no pods either."""
    training = await create(client, namespace)
    await user.patch(path(training), {"metadata": {"annotations": {"team": "a"}}}, Patch.MERGE, manager="user")
    await user.patch(path(training), {"spec": {"seed": training.spec.seed}}, Patch.MERGE, manager="user")
    await user.patch(path(training, "/status"), {"status": {"reason": "Told"}}, Patch.MERGE, manager="user")
    assert (await reload(client, training)).status.reason == "Told"


async def test_with_the_right_to_create_pods_both_are_admitted(client: Client, user: Client, namespace: str) -> None:
    await allow(client, namespace, "pods", "", ["pods"])
    review = {"spec": {"resourceAttributes": {"namespace": namespace, "verb": "create", "resource": "pods"}}}
    async with asyncio.timeout(30):  # a right given counts some moments later
        while not (await user.call("POST", REVIEWS, body=review))["status"]["allowed"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    training = await submit(user, manifest(namespace, "allowed"))
    await user.patch(path(training), {"spec": {"suspend": True}}, Patch.MERGE, manager="user")
    assert (await reload(client, training)).spec.suspend
