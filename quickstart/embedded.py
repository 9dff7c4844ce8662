"""The embedded cluster of this machine: started, with images, data and operator, each left as it is where it is there already."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster import images, lifecycle, load
from devcluster.paths import Cluster, binaries
from devcluster.run import ClusterError
from quickstart.manifest import Manifest
from quickstart.reading import from_bucket
from quickstart.ready import Ready
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from tools.kubectl import CommandError, Kubectl
from tools.operator_chart import install


@contextmanager
def ready(options: argparse.Namespace, training: Manifest, times: Times) -> Iterator[Ready]:
    """Raises CommandError and ValueError."""
    cluster = Cluster(options.name)
    kubectl = Kubectl(cluster.kubeconfig, program=str(binaries() / "kubectl"))
    try:
        _prepare(cluster, times)
    except ClusterError as error:
        raise CommandError(str(error)) from error

    setup = f"export KUBECONFIG={cluster.kubeconfig} PATH={binaries()}:$PATH"
    yield Ready(
        kubectl,
        training,
        lambda found: from_bucket(kubectl, found, cluster.storage_url),
        setup,
        "kubectl",
        (f"make cluster-down NAME={cluster.name}",),
    )


def _prepare(cluster: Cluster, times: Times) -> None:
    with times.part("cluster"):
        lifecycle.up(cluster)
    with times.part("images"):
        built = images.build()
        load.into(cluster, [archive for _, archive in built])
    operator, trainer = (image for image, _ in built)
    with times.part("data"):
        upload(example_objects(), endpoint=cluster.storage_url)
    with times.part("chart"):
        install(cluster.kubeconfig, operator, trainer, helm=str(binaries() / "helm"))
