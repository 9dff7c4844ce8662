"""The embedded cluster with the operator installed from its chart, and the example's text in a bucket; one namespace for the session."""

from collections.abc import Iterator

import pytest

from cluster import lifecycle
from cluster.paths import Cluster
from e2e import installation
from e2e.trainings import manifest
from quickstart.kubectl import Kubectl


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    found = Cluster()
    if not lifecycle.status(found):
        pytest.fail(f"cluster {found.name} is not up: run `make cluster-up`")
    return found


@pytest.fixture(scope="session")
def built(cluster: Cluster) -> tuple[str, str]:
    """The operator's and the trainer's image of this checkout, in both nodes."""
    return installation.built(cluster)


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster, built: tuple[str, str]) -> Iterator[Kubectl]:
    """In a namespace that admits only restricted pods."""
    installation.prepare(cluster, *built)
    with installation.namespace(cluster, "e2e") as found:
        yield found


@pytest.fixture(scope="session")
def calm(kubectl: Kubectl) -> str:
    """The name of a training whose pods nobody disturbs; it has just begun when the first test asks for it."""
    kubectl.apply(manifest("calm"))
    return "calm"
