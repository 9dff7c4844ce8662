"""The embedded cluster of this machine: started, with images, data and operator. What is in place already is left as it is."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster import lifecycle
from devcluster.installation import kubectl_for, load_images
from devcluster.paths import Cluster, binaries
from devcluster.run import ClusterError
from quickstart.results import from_bucket
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from quickstart.training import Manifest, PreparedCluster
from tools.kubectl import CommandError
from tools.operator_chart import install


@contextmanager
def prepared(options: argparse.Namespace, training: Manifest, times: Times) -> Iterator[PreparedCluster]:
    """The embedded cluster `options.name` with images, operator and data. Raises CommandError and ValueError."""
    cluster = Cluster(options.name)
    kubectl = kubectl_for(cluster)
    try:
        _prepare(cluster, times)
    except ClusterError as error:
        raise CommandError(str(error)) from error

    yield PreparedCluster(
        kubectl=kubectl,
        training=training,
        read_results=lambda complete: from_bucket(kubectl, complete, cluster.storage_url),
        setup=f"export KUBECONFIG={cluster.kubeconfig} PATH={binaries()}:$PATH",
        kubectl_command="kubectl",
        teardown=(f"make cluster-down NAME={cluster.name}",),
    )


def _prepare(cluster: Cluster, times: Times) -> None:
    with times.part("cluster"):
        lifecycle.up(cluster)
    with times.part("images"):
        operator, trainer = load_images(cluster)
    with times.part("data"):
        upload(example_objects(), endpoint=cluster.storage_url)
    with times.part("chart"):
        install(cluster.kubeconfig, operator, trainer, helm=str(binaries() / "helm"))
