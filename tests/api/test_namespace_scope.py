"""Without any right on the whole cluster: the chart installed by helm, and the operator at work, in two namespaces of one tenant."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client
from lwm_operator.cluster.pod_diagnostics import BOUND_SECONDS
from support.api_requests import create, reload
from support.helm_chart import CHART, REGISTRY, as_account, helm, rendered, token, with_token
from support.operator_process import Process

TENANT = "tenant"
RELEASE = "lwm"
ROLE = "lwm-operator"
RBAC = "rbac.authorization.k8s.io"


def values(*namespaces: str) -> tuple[str, ...]:
    watched = ",".join(namespaces)
    return (
        f"--set=rbac.scope=namespace,crd.install=false,replicas=0,watchNamespaces={{{watched}}}",
        "--set=networkPolicy.enabled=true",
        REGISTRY,
    )


@pytest.fixture
async def other(client: Client) -> AsyncIterator[str]:
    name = f"api-{uuid.uuid4().hex[:8]}"
    await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield name
    await client.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def tenant(client: Client, namespace: str, other: str, kubeconfig: Path, tmp_path: Path) -> Path:
    """Administrator of both namespaces, and of nothing else. Nobody may grant what they do not hold: so it holds the operator's rights."""
    bodies = rendered(RELEASE, namespace, *values(namespace, other), "--show-only=templates/rbac.yaml")
    await client.call("POST", paths.collection("ServiceAccount", namespace), body={"metadata": {"name": TENANT}})
    for place in (namespace, other):
        rules = [rule for body in bodies if body["kind"] == "Role" for rule in body["rules"]]
        await client.call("POST", paths.collection("Role", place), body={"metadata": {"name": TENANT}, "rules": rules})
        for kind, name in (("ClusterRole", "admin"), ("Role", TENANT)):
            await client.call("POST", paths.collection("RoleBinding", place), body=binding(kind, name, namespace))
    return with_token(kubeconfig, await token(client, namespace, TENANT), tmp_path / "tenant")


def binding(kind: str, name: str, namespace: str) -> Body:
    return {
        "metadata": {"name": f"{TENANT}-{name}"},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": TENANT, "namespace": namespace}],
    }


async def begun(client: Client, namespace: str) -> str:
    """The reason of a training's first attempt once its pods are bound to nodes."""
    training = await create(client, namespace)
    async with asyncio.timeout(60):
        while (reason := (await reload(client, training)).status.reason) != "ImagePull":  # noqa: ASYNC110
            await asyncio.sleep(0.3)
    return reason


async def test_a_tenant_installs_it_with_helm_and_it_runs_trainings_in_its_namespaces(
    client: Client, namespace: str, other: str, tenant: Path, kubeconfig: Path, tmp_path: Path
) -> None:
    where = (RELEASE, str(CHART), f"--namespace={namespace}", f"--kubeconfig={tenant}")
    done = await asyncio.to_thread(helm, "upgrade", "--install", *where, *values(namespace, other))
    assert done.returncode == 0, done.stderr
    deployment = await client.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{RELEASE}")
    assert deployment is not None
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    settings = {each["name"]: each["value"] for each in container["env"] if each["name"].startswith("LWM_") and "IMAGE" not in each["name"]}
    account = with_token(kubeconfig, await token(client, namespace, RELEASE), tmp_path / "operator")
    operator = Process(account, namespace, tmp_path / "log", settings=settings)
    try:
        assert set(await asyncio.gather(begun(client, namespace), begun(client, other))) == {"ImagePull"}
        # Pods that are slow to start, and one that is taken away: their nodes are asked about, where nodes may be read.
        await asyncio.sleep(BOUND_SECONDS)
        pods = await client.list(paths.collection("Pod", other), f"{names.LABEL_ATTEMPT}=1")
        await client.call("DELETE", paths.item("Pod", other, pods[0]["metadata"]["name"]))
        async with asyncio.timeout(60):
            while not await client.list(paths.collection("Job", other), f"{names.LABEL_ATTEMPT}=2"):  # noqa: ASYNC110
                await asyncio.sleep(0.3)
        assert operator.stop() == 0
    finally:
        operator.end()
    text = operator.log.read_text()
    assert "system:serviceaccount" not in text, "the API server refused the operator something"
    assert not [line for line in operator.lines() if line["level"] in ("warning", "error", "critical")]


async def test_its_account_may_do_nothing_outside_of_them(
    client: Client, namespace: str, other: str, tenant: Path, kubeconfig: Path, tmp_path: Path
) -> None:
    where = (RELEASE, str(CHART), f"--namespace={namespace}", f"--kubeconfig={tenant}")
    done = await asyncio.to_thread(helm, "upgrade", "--install", *where, *values(other))
    assert done.returncode == 0, done.stderr
    account = await as_account(with_token(kubeconfig, await token(client, namespace, RELEASE), tmp_path / "operator"))
    try:
        assert await account.list(paths.collection(names.KIND, other)) == []
        for path in (paths.collection(names.KIND, namespace), paths.collection("Pod", "default"), paths.node("node1"), "/api/v1/pods"):
            with pytest.raises(ApiError, match="403 Forbidden"):
                await account.call("GET", path)
    finally:
        await account.close()


async def test_a_namespace_that_is_refused_takes_no_other_away_and_is_served_when_it_returns(
    client: Client, namespace: str, other: str, tenant: Path, kubeconfig: Path, tmp_path: Path
) -> None:
    where = (RELEASE, str(CHART), f"--namespace={namespace}", f"--kubeconfig={tenant}")
    done = await asyncio.to_thread(helm, "upgrade", "--install", *where, *values(namespace, other))
    assert done.returncode == 0, done.stderr
    account = with_token(kubeconfig, await token(client, namespace, RELEASE), tmp_path / "operator")
    path = paths.item("RoleBinding", other, ROLE)
    role_binding = await client.get(path)
    assert role_binding is not None
    await client.call("DELETE", path)
    operator = Process(account, namespace, tmp_path / "log", [other], {"LWM_LEASE_NAME": f"{RELEASE}-leader"})
    try:
        assert await begun(client, namespace) == "ImagePull"
        refusals = [line for line in operator.lines() if line["event"] == "namespace_not_served"]
        assert [line["watched_namespace"] for line in refusals] == [other]
        assert "403 Forbidden" in refusals[0]["error"]
        restored = {key: role_binding[key] for key in ("roleRef", "subjects")} | {"metadata": {"name": ROLE}}
        await client.call("POST", paths.collection("RoleBinding", other), body=restored)
        assert await begun(client, other) == "ImagePull"
        assert operator.stop() == 0
    finally:
        operator.end()


async def test_an_upgrade_leaves_out_a_watched_namespace_that_is_gone(client: Client, namespace: str, kubeconfig: Path) -> None:
    where = (RELEASE, str(CHART), f"--namespace={namespace}", f"--kubeconfig={kubeconfig}")
    done = await asyncio.to_thread(helm, "upgrade", "--install", *where, *values(namespace, "gone"))
    assert done.returncode == 0, done.stderr
    assert "watchNamespaces: namespace gone does not exist" in done.stdout
    assert await client.get(paths.item("Role", namespace, ROLE)) is not None
