"""The embedded cluster with the operator installed from its chart, and the example's text in a bucket; one namespace for the session."""

import json
import uuid
from collections.abc import Iterator

import pytest

from cluster import images, lifecycle, load
from cluster.paths import Cluster, binaries
from e2e.trainings import BUCKET, manifest, put_operator, texts
from quickstart.kubectl import Kubectl
from quickstart.storage import upload


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = Cluster()
    if not lifecycle.status(found):
        pytest.fail(f"cluster {found.name} is not up: run `make cluster-up`")
    return found


@pytest.fixture(scope="session")
def built(cluster: Cluster) -> tuple[str, str]:
    """The operator's and the trainer's image of this checkout, in both nodes."""
    found = images.build()
    load.into(cluster, [archive for _, archive in found])
    operator, trainer = (image for image, _ in found)
    return operator, trainer


@pytest.fixture(scope="session")
def installed(cluster: Cluster, built: tuple[str, str]) -> None:
    operator, trainer = built
    put_operator(cluster, operator, trainer)
    upload(texts(), BUCKET, cluster.storage_url)


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster, installed: None) -> Iterator[Kubectl]:
    """In a namespace that admits only restricted pods."""
    name = f"e2e-{uuid.uuid4().hex[:6]}"
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    found = Kubectl(cluster.kubeconfig, name, str(binaries() / "kubectl"))
    found("create", "--filename=-", stdin=json.dumps(namespace))
    yield found
    found("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def calm(kubectl: Kubectl) -> str:
    """The name of a training whose pods nobody disturbs; it has just begun when the first test asks for it."""
    kubectl.apply(manifest("calm"))
    return "calm"
