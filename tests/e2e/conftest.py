"""The operator on a cluster, and one namespace for the session: the embedded one with text in a bucket, or the one that CONTEXT names.

Each of pytest-xdist's workers has an embedded cluster of its own, so a file may take the operator, a node or the API server away.
"""

import os
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from devcluster import installation, lifecycle
from devcluster.paths import DEFAULT_NAME, Cluster
from devcluster.trainings import BUCKET, manifest
from e2e.persistent_volume import Offer, volume_offers
from quickstart import external
from quickstart.options import parse
from quickstart.storage import small_objects, upload, use_endpoint
from tools.kubectl import Kubectl
from tools.operator_chart import install

LONGEST_FIRST = ("test_control_plane_downtime.py", "test_fault_tolerance.py", "test_recipe.py", "test_quickstart_external.py")
USERS_OF_CALM = ("test_control_plane_downtime.py", "test_fault_tolerance.py")


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a worker one file after another, and all files that use the training `calm` to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return "calm" if file in USERS_OF_CALM else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST_FIRST.index(item.path.name) if item.path.name in LONGEST_FIRST else len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def options() -> Namespace:
    """The options of `make e2e` for a cluster of the user's; without a context it is the embedded one."""
    return parse([])


@pytest.fixture(scope="session")
def cluster(options: Namespace, worker_id: str) -> Cluster:
    """The worker's embedded cluster: lwm-test without workers and for the first one, lwm-test-2 for the second."""
    if options.context:
        pytest.fail("this needs the embedded cluster, not just a kubeconfig: mark it `embedded`")
    name = os.environ.get("LWM_CLUSTER", DEFAULT_NAME)
    embedded = Cluster(name if worker_id in ("master", "gw0") else f"{name}-{int(worker_id.removeprefix('gw')) + 1}")
    if not lifecycle.status(embedded):
        pytest.fail(f"cluster {embedded.name} is not up: run `make cluster-up NAME={embedded.name}`")
    return embedded


@pytest.fixture(scope="session")
def admin(options: Namespace, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl, allowed everything."""
    if options.context:
        return external.connect(options, tmp_path_factory.mktemp("context"))
    return installation.kubectl_for(request.getfixturevalue("cluster"))


@pytest.fixture(scope="session")
def built(options: Namespace, admin: Kubectl, request: pytest.FixtureRequest) -> tuple[str, str]:
    """The operator's and the trainer's image of this checkout, in every node."""
    return external.images(options) if options.context else installation.load_images(request.getfixturevalue("cluster"))


@pytest.fixture(scope="session")
def kubectl(options: Namespace, admin: Kubectl, built: tuple[str, str], request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    """In a namespace that admits only restricted pods."""
    if options.context:
        install(admin.kubeconfig, *built)
    else:
        embedded = request.getfixturevalue("cluster")
        installation.install_operator(embedded, *built)
        upload(small_objects(), BUCKET, embedded.storage_url)
        use_endpoint(embedded.storage_url)
    with installation.fresh_namespace(admin, "e2e") as inside:
        yield inside


@pytest.fixture(scope="session")
def calm(kubectl: Kubectl) -> str:
    """The name of a training whose pods nobody disturbs. test_control_plane_downtime.py follows it from its beginning and runs
    before test_fault_tolerance.py, which compares with its end."""
    kubectl.apply(manifest("calm"))
    return "calm"


@pytest.fixture(scope="module")
def volume(cluster: Cluster) -> Iterator[Offer]:
    """Offers volumes of the embedded cluster."""
    with volume_offers(cluster) as offer:
        yield offer
