"""The embedded cluster of this machine: started, with images, data and operator, each left as it is where it is there already."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cluster import images, lifecycle, load
from cluster.paths import Cluster, binaries
from cluster.run import ClusterError
from quickstart.install import install
from quickstart.kubectl import CommandError, Kubectl
from quickstart.learned import Verdict, judge, same_tokens_entropy
from quickstart.manifest import Manifest
from quickstart.ready import Ready
from quickstart.record import StageRecord, read_stage
from quickstart.storage import example_objects, upload
from quickstart.times import Times
from quickstart.training import run_config


@contextmanager
def ready(options: argparse.Namespace, training: Manifest, times: Times) -> Iterator[Ready]:
    """Raises CommandError and ValueError."""
    cluster = Cluster(options.name)
    kubectl = Kubectl(cluster.kubeconfig, program=str(binaries() / "kubectl"))
    try:
        _prepare(cluster, times)
    except ClusterError as error:
        raise CommandError(str(error)) from error

    def read(complete: dict[str, Any]) -> tuple[list[StageRecord], Verdict]:
        finished = complete["status"]["stages"]
        stages = [read_stage(stage["finalCheckpoint"]["path"], cluster.storage_url) for stage in finished]
        config = run_config(kubectl, complete["metadata"]["name"], len(finished), finished[-1]["attempts"])
        return stages, judge(stages[-1].losses, same_tokens_entropy(config, stages[-1].tokens_hash, cluster.storage_url))

    setup = f"export KUBECONFIG={cluster.kubeconfig} PATH={binaries()}:$PATH"
    yield Ready(kubectl, training, read, setup, "kubectl", (f"make cluster-down NAME={cluster.name}",))


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
