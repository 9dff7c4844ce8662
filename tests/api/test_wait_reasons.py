"""Whatever holds a training up is in its status within 30 s, with the exact words; here all that needs no pod to run.

One operator, as a process with the chart's rights, and all trainings side by side; some in namespaces of a kind of their own.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lwm_operator.api import names
from lwm_operator.cluster import paths
from lwm_operator.cluster.client import ApiError, Body, Client, Patch, configuration
from simulation.builders import spec
from support.api_requests import create
from support.helm_chart import apply, remove_global, rendered, token, with_token
from support.operator_process import Process
from support.wait_reasons import Case, Seen, assert_explained, watch

ID = f"waits-{uuid.uuid4().hex[:6]}"
QUOTA, HOSTILE, DENYING, GATED = (f"{ID}-{kind}" for kind in ("quota", "hostile", "denying", "gated"))
NOWHERE = {"nodeSelector": {"lwm.dev/test": "nowhere"}}
NODE = {"lwm.dev/test": ID}
TOLERANT = [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule"}]
NARROW = {"layers": 4, "width": 126, "heads": 2, "kvHeads": 2, "headDim": 64, "mlpWidth": 512, "vocabSize": 2048}


def on_claim(name: str) -> dict[str, Any]:
    return {"checkpoint": {"pvc": {"claimName": name}, "saveIntervalSteps": 10}}


CASES = [
    Case(
        name="unschedulable",
        reason="Unschedulable",
        words=("2 of 2 pods since 2", "nodes are available", "didn't match Pod's node affinity/selector"),
        changes={"podTemplate": NOWHERE},
    ),
    Case(
        name="no-claim",
        reason="MissingClaim",
        words=("2 of 2 pods", 'persistentvolumeclaim "no-such-shelf" not found'),
        changes=on_claim("no-such-shelf"),
    ),
    Case(
        name="unbound",
        reason="ClaimUnbound",
        words=("2 of 2 pods", "unbound immediate PersistentVolumeClaims", "(claims: empty-shelf)"),
        changes=on_claim("empty-shelf"),
    ),
    Case(
        name="no-account",
        reason="MissingAccount",
        words=("2 of 2 pods missing since 2", 'serviceaccount "no-such-account" not found'),
        changes={"podTemplate": {"serviceAccountName": "no-such-account"}},
    ),
    Case(
        name="refused",
        reason="InvalidSpec",
        words=("spec.model.width: 126 is not a multiple of fsdp x sp = 4",),
        changes={"model": NARROW},
    ),
    Case(
        name="node-away",
        reason="NodeNotReady",
        words=("2 of 2 pods since 2", f"node {ID} is not ready: there is no kubelet"),
        changes={"podTemplate": {"nodeSelector": NODE, "tolerations": TOLERANT}},
    ),
    Case(name="suspended", reason="Suspended", words=(), changes={"suspend": True}),
    Case(
        name="backing-off",
        reason="BackingOff",
        words=("attempt 2 at 2", "UncaughtException", "division by zero"),
        changes={"podTemplate": NOWHERE},
    ),
    Case(
        name="quota",
        reason="QuotaExceeded",
        words=(
            "1 of 2 pods missing since 2",
            "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1",
            "Unschedulable: 1 of 2",
        ),
        changes={"podTemplate": NOWHERE},
        namespace=QUOTA,
    ),
    Case(
        name="hostile",
        reason="PodSecurity",
        words=("2 of 2 pods missing since 2", 'violates PodSecurity "restricted:latest": host namespaces (hostNetwork=true)'),
        namespace=HOSTILE,
    ),
    Case(
        name="denied",
        reason="PodsRejected",
        words=("2 of 2 pods missing since 2", f"ValidatingAdmissionPolicy '{DENYING}'", "no pods on Sundays"),
        namespace=DENYING,
    ),
    Case(name="gated", reason="SchedulingGated", words=("2 of 2 pods since 2", "non-empty scheduling gates"), namespace=GATED),
]
CASES = [case if case.namespace else replace(case, namespace=ID) for case in CASES]


def policy(kind: str, name: str, **rules: Any) -> list[Body]:
    """An admission policy over the pods of the namespace of its name."""
    api, about = "admissionregistration.k8s.io/v1", {"name": name}
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    namespace_selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    actions = {"validationActions": ["Deny"]} if kind.startswith("Validating") else {}
    return [
        {"apiVersion": api, "kind": kind, "metadata": about, "spec": {"matchConstraints": {"resourceRules": [pods]}, **rules}},
        {
            "apiVersion": api,
            "kind": f"{kind}Binding",
            "metadata": about,
            "spec": {"policyName": name, "matchResources": namespace_selector, **actions},
        },
    ]


def injection(name: str, expression: str) -> list[Body]:
    """As a mesh or a queue does with its webhook."""
    change = {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}
    return policy("MutatingAdmissionPolicy", name, mutations=[change], reinvocationPolicy="Never")


POLICIES = [
    *policy("ValidatingAdmissionPolicy", DENYING, validations=[{"expression": "false", "message": "no pods on Sundays"}]),
    *injection(HOSTILE, "Object{spec: Object.spec{hostNetwork: true}}"),
    *injection(GATED, 'Object{spec: Object.spec{schedulingGates: [Object.spec.schedulingGates{name: "example.com/queue"}]}}'),
]
POD = {
    "metadata": {"name": "trial"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "trial",
                "image": "x:y",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}


@asynccontextmanager
async def furnished(client: Client) -> AsyncIterator[None]:
    """The namespaces, their policies, a node without a kubelet, a claim without a volume; all gone afterwards."""
    spaces = (ID, QUOTA, HOSTILE, DENYING, GATED)
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": ID, "labels": NODE}}
    for name in spaces:
        await client.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name, "labels": restricted}})
    try:
        await apply(client, [*POLICIES, node])
        room = {"cpu": "8", "memory": "64Gi", "pods": "20"}
        away = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "there is no kubelet"}
        status = {"status": {"allocatable": room, "capacity": room, "conditions": [away]}}
        await client.patch(f"/api/v1/nodes/{ID}/status", status, Patch.MERGE, manager="tests")
        claim = {
            "metadata": {"name": "empty-shelf"},
            "spec": {"storageClassName": "", "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}},
        }
        await client.call("POST", f"/api/v1/namespaces/{ID}/persistentvolumeclaims", body=claim)
        quota = {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}}
        await client.call("POST", f"/api/v1/namespaces/{QUOTA}/resourcequotas", body=quota)
        async with asyncio.timeout(30):
            for name in (HOSTILE, DENYING, GATED):
                while not await in_force(client, name):  # noqa: ASYNC110 - the API server changes it, not one of our tasks
                    await asyncio.sleep(0.2)
        yield
    finally:
        for name in spaces:
            await client.call("DELETE", f"/api/v1/namespaces/{name}")
        await remove_global(client, [*POLICIES, node])


async def in_force(client: Client, namespace: str) -> bool:
    """A policy needs a moment after it was made."""
    try:
        answer = await client.call("POST", paths.collection("Pod", namespace), body=POD, query={"dryRun": "All"})
    except ApiError as error:
        return "no pods on Sundays" in error.message or "hostNetwork" in error.message
    return bool(answer["spec"].get("schedulingGates"))


async def fail(client: Client, training: str) -> None:
    """As if the trainer had met an error: a pod without a node has no kubelet that would know better."""
    selector = f"{names.LABEL_TRAINING}={training}"
    async with asyncio.timeout(20):
        while not (pods := await client.list(paths.collection("Pod", ID), selector)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    words = {"code": 70, "reason": "UncaughtException", "message": "division by zero", "step": 0}
    ended = {"terminated": {"exitCode": 70, "reason": "Error", "message": json.dumps(words)}}
    container = {"name": names.CONTAINER, "state": ended, "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {"status": {"phase": "Failed", "containerStatuses": [container]}}
    path = f"{paths.item('Pod', ID, pods[0]['metadata']['name'])}/status"
    await client.patch(path, status, Patch.MERGE, manager="tests")


async def story(kubeconfig: Path, folder: Path) -> dict[str, Seen]:
    client = Client(await configuration())
    watched = f"--set=watchNamespaces={{{','.join((ID, QUOTA, HOSTILE, DENYING, GATED))}}}"
    made = rendered(ID, ID, watched, *(f"--show-only=templates/{name}.yaml" for name in ("serviceaccount", "rbac")))
    try:
        async with furnished(client):
            await apply(client, made)
            account = with_token(kubeconfig, await token(client, ID, ID), folder / "kubeconfig")
            operator = Process(account, ID, folder / "log", others=(QUOTA, HOSTILE, DENYING, GATED))
            try:
                async with asyncio.timeout(60):
                    while not await held(client):  # noqa: ASYNC110
                        await asyncio.sleep(0.2)
                for case in CASES:
                    await create(client, case.namespace, case.name, **{**spec(), **case.changes})
                watching = asyncio.create_task(watch(client, CASES))
                await fail(client, "backing-off")
                return await watching
            finally:
                operator.end()
    finally:
        await remove_global(client, made)
        await client.close()


async def held(client: Client) -> bool:
    """Whether the operator leads: from then on it works."""
    lease = await client.get(paths.item("Lease", ID, f"{ID}-leader"))
    return bool(lease and lease["spec"].get("holderIdentity"))


@pytest.fixture(scope="module")
def seen(kubeconfig: Path, definition: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return asyncio.run(story(kubeconfig, tmp_path_factory.mktemp("waiting")))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cause_is_in_status_within_30_seconds_with_its_exact_words(seen: dict[str, Seen], case: Case) -> None:
    assert_explained(seen[case.name], case)
