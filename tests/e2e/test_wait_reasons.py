"""Every wait of real pods is explained: within 30 s the training's status quotes the component that blocks. All trainings run at once."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from devcluster.paths import Cluster
from devcluster.trainings import manifest
from lwm_operator.cluster.client import Client, configuration
from support.faulty_servers import denying, silent
from support.wait_reasons import Case, Seen, assert_explained, watch
from tools.kubectl import Kubectl

pytestmark = pytest.mark.serial
SMALL = {"requests": {"cpu": "10m", "memory": "64Mi"}}
TRAINER_SECONDS = 60.0
"""The trainer's own start comes before it meets a bucket: longer than the 30 s that the cause then has."""
LIFE_SECONDS = 60.0


def wanting(source: dict[str, Any]) -> dict[str, Any]:
    return {"podTemplate": {"env": [{"name": "WANTED", "valueFrom": source}]}}


def from_bucket(name: str, endpoint: str) -> dict[str, Any]:
    return {
        "tokenizer": {"uri": f"gs://{name}/tokenizer/tokenizer.json"},
        "datasets": [{"name": "books", "source": {"uri": f"gs://{name}/books"}}],
        "checkpoint": {"uri": f"gs://{name}/runs", "endpoint": endpoint, "saveIntervalSteps": 10},
    }


PULLERS = "of 2 pods since 2"
"""One or both: a kubelet pulls one image at a time, so that the second pod may not have come to it within the 30 s."""

HELD = [
    Case(
        name="no-image",
        reason="ImagePull",
        words=(PULLERS, "registry.invalid/lwm-trainer:v9", "failed to pull"),
        changes={"image": "registry.invalid/lwm-trainer:v9"},
    ),
    Case(
        name="no-pull-secret",
        reason="ImagePull",
        words=(PULLERS, "registry.invalid/lwm-trainer:v8", "(no-such-credentials)"),
        changes={"image": "registry.invalid/lwm-trainer:v8", "podTemplate": {"imagePullSecrets": [{"name": "no-such-credentials"}]}},
    ),
    Case(
        name="no-secret",
        reason="MissingSecret",
        words=("2 of 2 pods since 2", 'secret "no-such-token" not found'),
        changes=wanting({"secretKeyRef": {"name": "no-such-token", "key": "token"}}),
    ),
    Case(
        name="no-config-map",
        reason="MissingConfigMap",
        words=("2 of 2 pods since 2", 'configmap "no-such-settings" not found'),
        changes=wanting({"configMapKeyRef": {"name": "no-such-settings", "key": "token"}}),
    ),
    Case(
        name="no-key",
        reason="MissingConfigMap",
        words=("2 of 2 pods since 2", "couldn't find key no-such-key in ConfigMap"),
        changes=wanting({"configMapKeyRef": {"name": "kube-root-ca.crt", "key": "no-such-key"}}),
    ),
]

HELD_HERE = [
    Case(
        name="no-folder",
        reason="FailedMount",
        words=("2 of 2 pods since 2", "hostPath type check failed", "/no/such/folder"),
        changes={"checkpoint": {"pvc": {"claimName": "no-folder"}, "saveIntervalSteps": 10}},
    ),
    Case(name="slow-registry", reason="Pulling", words=(PULLERS, "Pulling image", "/lwm-trainer:slow")),
]
"""They need more than a kubeconfig. The slow registry's address is known only when it listens."""

STORAGE = [
    Case(
        name="no-bucket",
        reason="BucketMissing",
        words=("no-such-bucket",),
        changes=from_bucket("no-such-bucket", "http://fake-gcs.lwm-storage.svc:4443"),
    ),
    Case(name="denied", reason="BucketDenied", words=("forbidden-bucket",), changes=from_bucket("forbidden-bucket", "http://denying:80")),
]


def stuck(case: Case, **changes: Any) -> dict[str, Any]:
    """Two hosts that ask for next to nothing."""
    training = manifest(case.name)
    training["spec"] |= {"stages": training["spec"]["stages"][:1], **case.changes, **changes}
    training["spec"]["podTemplate"] = {"resources": SMALL, **training["spec"].get("podTemplate", {})}
    return training


def alone(case: Case) -> dict[str, Any]:
    """One host with one device."""
    training = stuck(case)
    del training["spec"]["podTemplate"]["resources"]
    training["spec"]["accelerator"] = {"type": "cpu", "cpu": {"hosts": 1, "devicesPerHost": 1, "threads": 2}}
    training["spec"]["stages"][0] |= {"mesh": {}, "steps": 4}
    return training


@pytest.fixture(scope="module")
def folder(kubectl: Kubectl) -> Iterator[None]:
    """A claim on a folder that no node has."""
    name = f"no-folder-{kubectl.namespace}"
    about = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    place = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/no/such/folder", "type": "Directory"}}
    volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": about | place}
    claim_spec = about | {"volumeName": name, "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "no-folder"}, "spec": claim_spec}
    for body in (volume, claim):
        kubectl("create", "--filename=-", stdin=json.dumps(body))
    yield
    kubectl("delete", "persistentvolume", name, "--wait=false")


@pytest.fixture(scope="module")
def store(kubectl: Kubectl, cluster: Cluster) -> Iterator[None]:
    """http://denying:80 is a store of this machine. By a Service, for this machine knows no way back to a pod."""
    with denying(cluster.host_address) as port:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "denying"}, "spec": {"ports": [{"port": 80}]}}
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "denying", "labels": {"kubernetes.io/service-name": "denying"}},
            "addressType": "IPv4",
            "ports": [{"port": port}],
            "endpoints": [{"addresses": [cluster.host_address], "conditions": {"ready": True}}],
        }
        for body in (service, slice_):
            kubectl("create", "--filename=-", stdin=json.dumps(body))
        yield


def seen_of(kubectl: Kubectl, cases: list[Case], seconds: float) -> dict[str, Seen]:
    """What their trainings say from now on; then they go."""

    async def asking() -> dict[str, Seen]:
        client = Client(await configuration())
        try:
            return await watch(client, [Case(**{**vars(case), "namespace": kubectl.namespace}) for case in cases], seconds)
        finally:
            await client.close()

    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(kubectl.kubeconfig)
    try:
        return asyncio.run(asking())
    finally:
        os.environ.pop("KUBECONFIG") if before is None else os.environ.update(KUBECONFIG=before)
        kubectl("delete", "lwmtrainings", "--wait=false", *(case.name for case in cases))


@pytest.fixture(scope="module")
def slow_registry(cluster: Cluster, folder: None) -> Iterator[dict[str, Any]]:
    with silent(cluster.host_address) as port:
        yield {"image": f"{cluster.host_address}:{port}/lwm-trainer:slow"}


@pytest.fixture(scope="module")
def held(kubectl: Kubectl, request: pytest.FixtureRequest) -> dict[str, Seen]:
    """All that are asked for, in the same 30 s."""
    on_embedded = any(item.get_closest_marker("embedded") for item in request.session.items if item.path == request.path)
    slow = request.getfixturevalue("slow_registry") if on_embedded else {}
    cases = HELD + (HELD_HERE if on_embedded else [])
    for case in cases:
        kubectl.apply(stuck(case, **(slow if case.name == "slow-registry" else {})))
    return seen_of(kubectl, cases, 30)


@pytest.fixture(scope="module")
def refused(kubectl: Kubectl, store: None) -> dict[str, Seen]:
    for case in STORAGE:
        kubectl.apply(alone(case))
    return seen_of(kubectl, STORAGE, TRAINER_SECONDS)


@pytest.fixture(scope="module")
def life(kubectl: Kubectl) -> list[str]:
    """Every line that the status of a training has from its creation to its end."""
    name = "life"
    training = alone(Case(name=name, reason="", words=()))
    training["spec"]["checkpoint"]["uri"] += "-without-programs"  # so that it compiles for seconds
    kubectl.apply(training)
    path = "{.status.reason}: {.status.message}\n"
    command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}", "get", "lwmtraining", name]
    lines: list[str] = []
    written = b""
    with subprocess.Popen([*command, "--watch", f"--output=jsonpath={path}"], stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        end = time.monotonic() + LIFE_SECONDS
        os.set_blocking(process.stdout.fileno(), False)
        while time.monotonic() < end and not any(line.startswith("Complete: 1 of 1") for line in lines):
            written += process.stdout.read() or b""
            lines = written.decode(errors="replace").splitlines()
            time.sleep(0.2)
        process.kill()
    kubectl("delete", "lwmtraining", name, "--wait=false")
    return lines


@pytest.mark.parametrize(
    "case", [*HELD, *(pytest.param(case, marks=pytest.mark.embedded) for case in HELD_HERE)], ids=lambda case: case.name
)
def test_what_holds_pods_up_is_in_status_within_30_seconds_with_its_exact_words(held: dict[str, Seen], case: Case) -> None:
    assert_explained(held[case.name], case)


@pytest.mark.embedded
@pytest.mark.parametrize("case", STORAGE, ids=lambda case: case.name)
def test_a_bucket_that_cannot_be_used_is_named(refused: dict[str, Seen], case: Case) -> None:
    assert_explained(refused[case.name], case)


@pytest.mark.embedded
@pytest.mark.parametrize("reason", ["Restoring", "Compiling", "Training", "Saving"])
def test_whatever_takes_a_training_seconds_is_shown_meanwhile(life: list[str], reason: str) -> None:
    assert [line for line in life if line.startswith(f"{reason}: stage 1/1 ctx128: ")], "\n".join(life)
