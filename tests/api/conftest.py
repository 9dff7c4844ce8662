"""A real API server, from KUBECONFIG or the embedded cluster's; the CRD of this checkout; one namespace a test."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from devcluster.paths import Cluster
from lwm_operator.api.crd import crd
from lwm_operator.cluster.client import ApiError, Client, Patch, configuration
from support.helm_chart import apply, as_account, remove_global, rendered, token, with_token
from support.shared_setup import shared

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """Fails, and does not skip, where there is no cluster: a test that did not run has shown nothing."""
    path = Path(os.environ.get("KUBECONFIG") or Cluster().kubeconfig)
    if not path.exists():
        pytest.fail(f"{path}: no kubeconfig: run `make cluster-up`, or set KUBECONFIG")
    os.environ["KUBECONFIG"] = str(path)
    return path


@pytest.fixture(scope="session")
def definition(kubeconfig: Path, run_folder: Path) -> Iterator[None]:
    """The CRD is served as it is in this checkout; one that was not there goes again, else helm would not install over it."""

    def undefine(is_new: bool) -> None:
        if is_new:
            asyncio.run(_undefine())

    with shared(run_folder, "definition", lambda: asyncio.run(_define()), undefine):
        yield


async def _define() -> bool:
    """Whether there was none before."""
    client, body = Client(await configuration()), crd()
    path = f"{DEFINITIONS}/{body['metadata']['name']}"
    try:
        existing = await client.get(path)
        if existing is not None:
            body["metadata"] |= {key: existing["metadata"][key] for key in ("labels", "annotations") if key in existing["metadata"]}
        await client.patch(path, body, Patch.APPLY, manager="helm")
        async with asyncio.timeout(30):
            while not await _served(client):  # noqa: ASYNC110 - the API server changes it, not one of our tasks
                await asyncio.sleep(0.1)
    finally:
        await client.close()
    return existing is None


async def _undefine() -> None:
    client, body = Client(await configuration()), crd()
    path = f"{DEFINITIONS}/{body['metadata']['name']}"
    try:
        await client.call("DELETE", path)
        async with asyncio.timeout(60):
            while await client.get(path) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    finally:
        await client.close()


async def _served(client: Client) -> bool:
    """Not found, then too many requests ("storage is initializing"), then there."""
    try:
        await client.list("/apis/lwm.dev/v1alpha1/lwmtrainings")
    except ApiError as error:
        if error.code in (404, 429, 503):
            return False
        raise
    return True


@pytest.fixture
async def client(kubeconfig: Path, definition: None) -> AsyncIterator[Client]:
    """With the administrator's rights."""
    created = Client(await configuration())
    yield created
    await created.close()


@pytest.fixture
async def namespace(client: Client) -> AsyncIterator[str]:
    """Only restricted pods get in."""
    name = f"api-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name, "labels": labels}})
    yield name
    await client.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def privileged(client: Client, namespace: str) -> AsyncIterator[str]:
    """A namespace of a test that admits every pod."""
    name = f"{namespace}-privileged"
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name, "labels": labels}})
    yield name
    await client.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
async def account(client: Client, namespace: str, kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Path]:
    """A kubeconfig with the token of the chart's service account."""
    watched = f"--set=watchNamespaces={{{namespace}}}"
    bodies = rendered(namespace, namespace, watched, *(f"--show-only=templates/{name}.yaml" for name in ("serviceaccount", "rbac")))
    await apply(client, bodies)
    yield with_token(kubeconfig, await token(client, namespace, namespace), tmp_path / "kubeconfig")
    await remove_global(client, bodies)


@pytest.fixture
async def rights(account: Path) -> AsyncIterator[Client]:
    """With exactly the operator's rights: what the chart forgets ends in an ApiError with code 403."""
    limited = await as_account(account)
    yield limited
    await limited.close()
