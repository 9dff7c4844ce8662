"""The chart as helm renders it, and its objects on an API server."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import load_kube_config

from devcluster.paths import REPOSITORY, binaries
from lwm_operator.cluster.client import Body, Client, Patch

CHART = REPOSITORY / "charts" / "lwm-operator"
REGISTRY = "--set=image.registry=registry.example"
"""An installation without it is refused."""


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(binaries() / "helm"), *arguments], check=False, capture_output=True, text=True)


def rendered(release: str, namespace: str, *arguments: str) -> list[Body]:
    """Raises CalledProcessError when helm refuses."""
    done = helm("template", release, str(CHART), "--namespace", namespace, "--kube-version", "1.37.2", REGISTRY, *arguments)
    done.check_returncode()
    return [body for body in yaml.safe_load_all(done.stdout) if body]


def place(body: Body) -> str:
    """The API path of an object."""
    plural = re.sub("ys$", "ies", f"{body['kind'].lower()}s")
    base = "/api/v1" if body["apiVersion"] == "v1" else f"/apis/{body['apiVersion']}"
    inside = f"/namespaces/{body['metadata']['namespace']}" if body["metadata"].get("namespace") else ""
    return f"{base}{inside}/{plural}/{body['metadata']['name']}"


async def apply(client: Client, bodies: list[Body]) -> None:
    for body in bodies:
        await client.patch(place(body), body, Patch.APPLY, manager="tests")


async def remove_global(client: Client, bodies: list[Body]) -> None:
    """What no namespace takes along."""
    for body in reversed(bodies):
        if "namespace" not in body["metadata"]:
            await client.call("DELETE", place(body))


async def token(client: Client, namespace: str, account: str) -> str:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = await client.call("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", body=request)
    return str(answer["status"]["token"])


async def as_account(kubeconfig: Path) -> Client:
    """With the rights of whoever that kubeconfig names. To be closed."""
    settings = Configuration()
    await load_kube_config(config_file=str(kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]
    return Client(settings)


def with_token(kubeconfig: Path, secret: str, path: Path) -> Path:
    """A copy of the kubeconfig in which that token speaks."""
    settings: dict[str, Any] = yaml.safe_load(kubeconfig.read_text())
    for user in settings["users"]:
        user["user"] = {"token": secret}
    path.write_text(yaml.safe_dump(settings))
    return path
