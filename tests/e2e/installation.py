"""The operator of this checkout on an embedded cluster, the tests' text in a bucket, and a namespace to work in."""

import json
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from devcluster import images, load
from devcluster.paths import Cluster, binaries
from quickstart.books import books
from quickstart.install import install
from quickstart.kubectl import Kubectl
from quickstart.storage import upload
from quickstart.tokenizer.train import PATH as TOKENIZER

BUCKET = "e2e"
BOOKS = ("ruth", "jonah", "esther", "ecclesiastes", "daniel", "james", "philemon", "jude", "2-john", "obadiah")


def built(cluster: Cluster) -> tuple[str, str]:
    """The operator's and the trainer's image of this checkout, in both nodes."""
    found = images.build()
    load.into(cluster, [archive for _, archive in found])
    operator, trainer = (image for image, _ in found)
    return operator, trainer


def texts() -> dict[str, bytes]:
    """Ten short books and the tokenizer, by their names below a bucket or a folder."""
    found = {f"books/{name}": text.encode() for name, text in books().items() if name[3:].removesuffix(".txt") in BOOKS}
    assert len(found) == len(BOOKS)
    return found | {"tokenizer/tokenizer.json": TOKENIZER.read_bytes()}


def prepare(cluster: Cluster, operator_image: str, trainer_image: str) -> None:
    """The operator installed, the texts in the bucket."""
    put_operator(cluster, operator_image, trainer_image)
    upload(texts(), BUCKET, cluster.storage_url)


def put_operator(cluster: Cluster, operator_image: str, trainer_image: str) -> None:
    """Install or upgrade the chart. On node 1, because node 2 is the one that gets lost."""
    values = {"nodeSelector.kubernetes\\.io/hostname": cluster.nodes[0].name}
    install(cluster.kubeconfig, operator_image, trainer_image, helm=str(binaries() / "helm"), values=values)


def of(cluster: Cluster) -> Kubectl:
    """kubectl for an embedded cluster."""
    return Kubectl(cluster.kubeconfig, program=str(binaries() / "kubectl"))


def namespace(cluster: Cluster, prefix: str, level: str = "restricted") -> AbstractContextManager[Kubectl]:
    """As `fresh_namespace`, on an embedded cluster."""
    return fresh_namespace(of(cluster), prefix, level)


@contextmanager
def fresh_namespace(kubectl: Kubectl, prefix: str, level: str = "restricted") -> Iterator[Kubectl]:
    """A namespace of its own that admits only pods of the given level of the pod security standards; deleted at the end."""
    name = f"{prefix}-{uuid.uuid4().hex[:6]}"
    manifest = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": level}},
    }
    found = replace(kubectl, namespace=name)
    found("create", "--filename=-", stdin=json.dumps(manifest))
    try:
        yield found
    finally:
        found("delete", "namespace", name, "--wait=false")
