"""A training without an object store: text, tokenizer and checkpoints on one ReadWriteMany claim; then it is deleted."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.paths import Cluster
from devcluster.trainings import until
from lwm_operator.manifests.pod import USER
from quickstart.options import EXAMPLE
from quickstart.sample_texts import books
from quickstart.tokenizer.train import PATH as TOKENIZER
from quickstart.training import Manifest, read
from tools.kubectl import Kubectl

pytestmark = pytest.mark.embedded
STEPS = 4


@pytest.fixture
def folder(cluster: Cluster) -> Iterator[Path]:
    """A folder that both nodes see and that the trainer's user owns: nobody changes the owner of a hostPath volume."""
    path = cluster.state / "shelf"
    for name in ("books", "runs", "tokenizer"):
        (path / name).mkdir(parents=True)
    (path / "books" / "ruth.txt").write_text(next(text for name, text in books().items() if "ruth" in name))
    shutil.copy(TOKENIZER, path / "tokenizer" / "tokenizer.json")
    for entry in (path, *path.rglob("*")):
        os.chown(entry, USER, USER)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def claim(kubectl: Kubectl, folder: Path) -> Iterator[str]:
    name = f"shelf-{kubectl.namespace}"
    about = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": about | {"capacity": {"storage": "1Gi"}, "hostPath": {"path": str(folder), "type": "Directory"}},
    }
    request = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": about | {"volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
    }
    for body in (volume, request):
        kubectl("create", "--filename=-", stdin=json.dumps(body))
    yield name
    kubectl("delete", "persistentvolumeclaim", name, "--wait=false")
    kubectl("delete", "persistentvolume", name, "--wait=false")


def short(name: str, claim: str) -> Manifest:
    """examples/laptop.yaml on another claim and two hosts, its first stage cut short."""
    training = read(EXAMPLE.parent / "laptop.yaml")
    training["metadata"]["name"] = name
    spec = training["spec"]
    for place in (spec["tokenizer"], spec["checkpoint"], spec["datasets"][0]["source"]):
        place["pvc"]["claimName"] = claim
    spec["checkpoint"]["saveIntervalSteps"] = 2
    spec["accelerator"]["cpu"] |= {"hosts": 2, "devicesPerHost": 2}
    spec["stages"] = [spec["stages"][0] | {"steps": STEPS}]
    return training


def test_a_training_on_a_claim_completes_and_deleted_leaves_its_checkpoint_and_nothing_else(
    kubectl: Kubectl, claim: str, folder: Path
) -> None:
    kubectl.apply(short("shelf", claim))
    kubectl("wait", "--for=condition=Complete", "lwmtraining/shelf", "--timeout=300s", seconds=330)
    training = kubectl.get("lwmtraining", "shelf")
    path = training["status"]["stages"][0]["finalCheckpoint"]["path"]
    assert path == f"/lwm/checkpoint/{kubectl.namespace}/shelf-{training['metadata']['uid'][:8]}/s1-ctx128/a1/{STEPS}"
    committed = folder / "runs" / Path(path).relative_to("/lwm/checkpoint")
    assert (committed / "params").is_dir()

    kubectl("delete", "lwmtraining", "shelf", "--wait=true", "--timeout=60s")
    children = "jobs,pods,services,configmaps,leases,roles,rolebindings,serviceaccounts"
    until(lambda: not kubectl("get", children, "--selector=lwm.dev/training=shelf", "--output=name").strip(), 120, "no child is left")
    assert (committed / "params").is_dir(), "checkpoints stay"
