"""The operator on a cluster, and one namespace for the session: the embedded one with text in a bucket, or the one that CONTEXT names."""

import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster import installation, lifecycle
from devcluster.paths import DEFAULT_NAME, Cluster
from devcluster.trainings import BUCKET, RUNS, manifest
from e2e import kept_programs
from e2e.persistent_volume import Offer, volume_offers
from quickstart import external
from quickstart.options import parse
from quickstart.storage import small_objects, upload, use_endpoint
from support.shared_setup import shared
from tools.kubectl import Kubectl
from tools.operator_chart import install


@pytest.fixture(scope="session")
def options() -> Namespace:
    """The options of `make e2e` for a cluster of the user's; without a context it is the embedded one."""
    return parse([])


@pytest.fixture(scope="session")
def cluster(options: Namespace) -> Cluster:
    if options.context:
        pytest.fail("this needs the embedded cluster, not just a kubeconfig: mark it `embedded`")
    embedded = Cluster(os.environ.get("LWM_CLUSTER", DEFAULT_NAME))
    if not lifecycle.status(embedded):
        pytest.fail(f"cluster {embedded.name} is not up: run `make cluster-up`")
    return embedded


@pytest.fixture(scope="session")
def admin(options: Namespace, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl, allowed everything."""
    if options.context:
        return external.connect(options, tmp_path_factory.mktemp("context"))
    return installation.kubectl_for(request.getfixturevalue("cluster"))


@pytest.fixture(scope="session")
def built(options: Namespace, admin: Kubectl, request: pytest.FixtureRequest, run_folder: Path) -> Iterator[tuple[str, str]]:
    """The operator's and the trainer's image of this checkout, in every node."""

    def load() -> tuple[str, str]:
        return external.images(options) if options.context else installation.load_images(request.getfixturevalue("cluster"))

    with shared(run_folder, "images", load) as (operator, trainer):
        yield operator, trainer


@pytest.fixture(scope="session")
def kubectl(
    options: Namespace, admin: Kubectl, built: tuple[str, str], request: pytest.FixtureRequest, run_folder: Path
) -> Iterator[Kubectl]:
    """In a namespace that admits only restricted pods."""

    def prepare() -> None:
        if options.context:
            install(admin.kubeconfig, *built)
            return
        embedded = request.getfixturevalue("cluster")
        installation.install_operator(embedded, *built)
        upload(small_objects(), BUCKET, embedded.storage_url)
        kept_programs.put(BUCKET, RUNS, embedded.storage_url)

    storage_url = None if options.context else request.getfixturevalue("cluster").storage_url
    use_endpoint(storage_url)  # each worker reads the bucket itself
    with shared(run_folder, "operator", prepare), installation.fresh_namespace(admin, "e2e") as inside:
        yield inside
    if storage_url is not None:
        kept_programs.keep(storage_url)


@pytest.fixture(scope="session")
def calm(kubectl: Kubectl) -> str:
    """The name of a training whose pods nobody disturbs. test_control_plane_downtime.py follows it from its beginning and runs
    before test_fault_tolerance.py, which compares with its end: files run in the order of their names."""
    kubectl.apply(manifest("calm"))
    return "calm"


@pytest.fixture(scope="module")
def volume(cluster: Cluster) -> Iterator[Offer]:
    """Offers volumes of the embedded cluster."""
    with volume_offers(cluster) as offer:
        yield offer
