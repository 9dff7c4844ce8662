"""A volume for a claim: the embedded cluster has no provisioner."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from devcluster.installation import kubectl_for
from devcluster.paths import Cluster
from quickstart.claim import NAME

Offer = Callable[[str], None]


@contextmanager
def volume_offers(cluster: Cluster) -> Iterator[Offer]:
    """A function that offers a volume to the quickstart's claim in a namespace. Both nodes see its folder, and everybody may write there,
    as with the usual provisioners of a single machine."""
    kubectl, folders = kubectl_for(cluster), []

    def offer(namespace: str) -> None:
        folder = cluster.state / f"volume-{namespace}"
        folder.mkdir()
        folders.append(folder)
        folder.chmod(0o777)
        spec = {
            "capacity": {"storage": "2Gi"},
            "accessModes": ["ReadWriteOnce"],
            "hostPath": {"path": str(folder), "type": "Directory"},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": NAME, "namespace": namespace},
        }
        volume = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": folder.name}, "spec": spec}
        kubectl("create", "--filename=-", stdin=json.dumps(volume))

    try:
        yield offer
    finally:
        for folder in folders:
            kubectl("delete", "persistentvolume", folder.name, "--wait=false")
            shutil.rmtree(folder)
