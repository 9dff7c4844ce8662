"""What the token of a training's pod is good for: to patch the Lease of its attempt, and nothing else; each tried on a real API server."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from lwm_operator.api import names
from lwm_operator.api.training import Training
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch
from lwm_operator.cluster.kubernetes_cluster import KubernetesCluster
from lwm_operator.cluster.port import TrainingKey
from lwm_operator.controller.reconcile import Reconciler
from lwm_trainer.config import PROGRESS_ANNOTATION, Lease
from lwm_trainer.runtime import progress
from simulation.builders import report
from support.api_requests import create
from support.helm_chart import as_account, token, with_token
from support.rbac_calls import IMAGE, now

MINE, OTHER = "bible-s1-a1", "psalms-s1-a1"
NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}
REPORT = {"metadata": {"annotations": {PROGRESS_ANNOTATION: "{}"}}, "spec": {"holderIdentity": f"{MINE}-0"}}
POD = {"metadata": {"name": "mine"}, "spec": {"containers": [{"name": "c", "image": IMAGE}]}}
KINDS = ("Pod", "ConfigMap", "Job", "Lease", "Service", "ServiceAccount", "Role", "RoleBinding", "Event", names.KIND)


async def begin(client: Client, training: Training) -> None:
    reconciler = Reconciler(KubernetesCluster(client, trainer_image=IMAGE, instance="tests", now=now))
    await reconciler.reconcile(TrainingKey(training.metadata.namespace, training.metadata.name))


@pytest.fixture
async def pod(client: Client, rights: Client, namespace: str, kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Client]:
    """As a process in a pod of the first attempt; another training runs beside it, and a Secret is there."""
    for name in ("bible", "psalms"):
        await begin(rights, await create(client, namespace, name, podTemplate=NOWHERE))
    await client.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body={"metadata": {"name": "key"}, "stringData": {"a": "b"}})
    account = await as_account(with_token(kubeconfig, await token(client, namespace, MINE), tmp_path / "pod"))
    yield account
    await account.close()


async def test_the_trainers_own_report_gets_through(
    client: Client, pod: Client, namespace: str, kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer's code, with the token and the certificate where a pod has them."""
    cluster = yaml.safe_load(await asyncio.to_thread(kubeconfig.read_text))["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    (tmp_path / "token").write_text(await token(client, namespace, MINE))
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    monkeypatch.setattr(progress, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    await asyncio.to_thread(progress.patch_lease, Lease(namespace=namespace, name=MINE), f"{MINE}-0", report(step=7))
    lease = await client.get(paths.item("Lease", namespace, MINE))
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == f"{MINE}-0"
    assert json.loads(lease["metadata"]["annotations"][PROGRESS_ANNOTATION])["step"] == 7


def requests(namespace: str) -> list[tuple[str, str, Body | None]]:
    """Whatever else somebody might try who has the token."""
    mine, other, secrets = (
        paths.item("Lease", namespace, MINE),
        paths.item("Lease", namespace, OTHER),
        f"/api/v1/namespaces/{namespace}/secrets",
    )
    pods, trainings = paths.collection("Pod", namespace), paths.collection(names.KIND, namespace)
    return [
        *((method, mine, {} if method == "PUT" else None) for method in ("GET", "PUT", "DELETE")),
        *((method, other, REPORT if method == "PATCH" else None) for method in ("GET", "PATCH", "DELETE")),
        ("PATCH", paths.item("Lease", namespace, "lwm-operator"), REPORT),
        *(("GET", paths.collection(kind, namespace), None) for kind in KINDS),
        *(("GET", place, None) for place in (secrets, f"{secrets}/key", paths.item("ConfigMap", namespace, MINE), paths.node("node1"))),
        ("GET", "/api/v1/namespaces", None),
        ("GET", f"/api/v1/namespaces/{namespace}", None),
        ("POST", pods, POD),
        ("POST", paths.collection("Job", namespace), {"metadata": {"name": "mine"}}),
        ("POST", paths.collection("Lease", namespace), {"metadata": {"name": "mine"}}),
        ("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{MINE}/token", {"spec": {}}),
        ("GET", f"{trainings}/bible", None),
        ("PATCH", f"{trainings}/bible", {"spec": {"suspend": True}}),
        ("PATCH", f"{trainings}/bible/status", {"status": {"phase": "Complete"}}),
        ("PATCH", paths.item("Role", namespace, MINE), {"rules": []}),
    ]


async def test_everything_else_is_refused(pod: Client, namespace: str) -> None:
    answers = {}
    for method, path, body in requests(namespace):
        try:
            await pod.call(method, path, body=body, content=Patch.MERGE if method == "PATCH" else "application/json")
            answers[f"{method} {path}"] = 200
        except ApiError as error:
            answers[f"{method} {path}"] = error.code
    assert {request: code for request, code in answers.items() if code != 403} == {}
    assert len(answers) == len(requests(namespace)) > 30


async def rules(client: Client, namespace: str) -> list[Body]:
    """What the API server says that the client may do."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    status = (await client.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body=review))["status"]
    assert status["incomplete"] is False
    return [*status["resourceRules"], *status["nonResourceRules"]]


async def test_the_api_server_knows_of_no_other_right_than_any_account_has(
    client: Client, pod: Client, namespace: str, kubeconfig: Path, tmp_path: Path
) -> None:
    await client.call("POST", paths.collection("ServiceAccount", namespace), body={"metadata": {"name": "bare"}})
    bare = await as_account(with_token(kubeconfig, await token(client, namespace, "bare"), tmp_path / "bare"))
    try:
        basics = await rules(bare, namespace)
    finally:
        await bare.close()
    more = [rule for rule in await rules(pod, namespace) if rule not in basics]
    assert more == [{"verbs": ["patch"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [MINE]}]
