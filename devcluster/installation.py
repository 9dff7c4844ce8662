"""The operator of this checkout on an embedded cluster, and namespaces to work in."""

import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from devcluster import images, load
from devcluster.paths import Cluster, binaries
from tools.kubectl import Kubectl
from tools.operator_chart import install


def load_images(cluster: Cluster) -> tuple[str, str]:
    """Names of the operator's and the trainer's image of this checkout, which both nodes have then."""
    built = images.build()
    load.import_archives(cluster, [archive for _, archive in built])
    operator, trainer = (image for image, _ in built)
    return operator, trainer


def install_operator(cluster: Cluster, operator_image: str, trainer_image: str) -> None:
    """Install or upgrade the chart. On node 1, because node 2 is the one that gets lost."""
    values = {"nodeSelector.kubernetes\\.io/hostname": cluster.nodes[0].name}
    install(cluster.kubeconfig, operator_image, trainer_image, helm=str(binaries() / "helm"), values=values)


def kubectl_for(cluster: Cluster) -> Kubectl:
    """kubectl with all rights on an embedded cluster."""
    return Kubectl(cluster.kubeconfig, program=str(binaries() / "kubectl"))


def namespace(cluster: Cluster, prefix: str, level: str = "restricted") -> AbstractContextManager[Kubectl]:
    """Like `fresh_namespace`, on an embedded cluster."""
    return fresh_namespace(kubectl_for(cluster), prefix, level)


@contextmanager
def fresh_namespace(kubectl: Kubectl, prefix: str, level: str = "restricted") -> Iterator[Kubectl]:
    """A new namespace that admits only pods of the given level of the pod security standards; deleted at the end."""
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}},
    }
    inside = replace(kubectl, namespace=name)
    inside("create", "--filename=-", stdin=json.dumps(manifest))
    try:
        yield inside
    finally:
        inside("delete", "namespace", name, "--wait=false")
