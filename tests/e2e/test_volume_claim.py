"""A training without an object store: text, tokenizer and checkpoints on one ReadWriteMany claim. It is served, then deleted."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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
KEY = "key-of-the-test"
CLIENT = """
import json, os, time, urllib.error, urllib.request

def send(path, body=None, **headers):
    request = urllib.request.Request("http://lwm-serve:8000" + path, body and json.dumps(body).encode(), headers)
    for wait in range(30):  # nodes hear of a Service's pod a little after it is ready
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except urllib.error.URLError:
            time.sleep(1)

key = {"Authorization": "Bearer " + os.environ["LWM_API_KEY"], "Content-Type": "application/json"}
chat = {"model": "shelf", "messages": [{"role": "user", "content": "In the beginning"}], "max_tokens": 8, "seed": 1, "temperature": 1}
print(json.dumps([send("/v1/models", **key), send("/v1/models"), send("/v1/chat/completions", chat, **key),
                  send("/v1/chat/completions", chat, **key)]))
"""
"""What a client in the server's pod asks through the Service, and prints: pairs of a status and a body."""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def trained(kubectl: Kubectl, claim: str) -> dict[str, Any]:
    """The training when it is complete."""
    kubectl.apply(short("shelf", claim))
    kubectl("wait", "--for=condition=Complete", "lwmtraining/shelf", "--timeout=300s", seconds=330)
    return kubectl.get("lwmtraining", "shelf")


@pytest.fixture(scope="module")
def committed(kubectl: Kubectl, trained: dict[str, Any], folder: Path) -> Path:
    """Its final checkpoint in the claim's folder."""
    path = trained["status"]["stages"][0]["finalCheckpoint"]["path"]
    assert path == f"/lwm/checkpoint/{kubectl.namespace}/shelf-{trained['metadata']['uid'][:8]}/s1-ctx128/a1/{STEPS}"
    return folder / "runs" / Path(path).relative_to("/lwm/checkpoint")


def server(kubectl: Kubectl, claim: str, image: str, run: str) -> list[Manifest]:
    """examples/serve.yaml for this claim, with a smaller request: the nodes of the tests are small."""
    deployment, service = yaml.safe_load_all((EXAMPLE.parent / "serve.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    container |= {"image": image, "args": [f"/runs/{kubectl.namespace}/{run}", *container["args"][1:]]}
    container["args"] = [argument.replace("--model-name=laptop", "--model-name=shelf") for argument in container["args"]]
    container["resources"]["requests"] = {"cpu": "100m", "memory": "512Mi"}
    pod["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim
    return [deployment, service]


def test_a_training_on_a_claim_completes(committed: Path) -> None:
    assert (committed / "params").is_dir()


def test_examples_serve_answers_with_the_trained_model_to_those_with_the_key(
    kubectl: Kubectl, claim: str, committed: Path, trained: dict[str, Any], built: tuple[str, str]
) -> None:
    kubectl("create", "secret", "generic", "lwm-serve", f"--from-literal=api-key={KEY}")
    for body in server(kubectl, claim, built[1], f"shelf-{trained['metadata']['uid'][:8]}"):
        kubectl("create", "--filename=-", stdin=json.dumps(body))
    kubectl("wait", "--for=condition=Available", "deployment/lwm-serve", "--timeout=300s", seconds=330)
    models, without_key, answer, same_seed = json.loads(kubectl("exec", "deployment/lwm-serve", "--", "python", "-c", CLIENT))
    assert (models[0], [model["id"] for model in models[1]["data"]]) == (200, ["shelf"])
    assert (without_key[0], without_key[1]["error"]["code"]) == (401, "invalid_api_key")
    assert answer[0] == 200, answer
    assert 1 <= answer[1]["usage"]["completion_tokens"] <= 8
    assert answer[1]["choices"] == same_seed[1]["choices"]
    kubectl("delete", "deployment/lwm-serve", "service/lwm-serve", "secret/lwm-serve", "--wait=true", "--timeout=120s", seconds=150)


def test_a_deleted_training_leaves_its_checkpoint_and_nothing_else(kubectl: Kubectl, committed: Path) -> None:
    kubectl("delete", "lwmtraining", "shelf", "--wait=true", "--timeout=60s")
    children = "jobs,pods,services,configmaps,leases,roles,rolebindings,serviceaccounts"
    until(lambda: not kubectl("get", children, "--selector=lwm.dev/training=shelf", "--output=name").strip(), 120, "no child is left")
    assert (committed / "params").is_dir(), "checkpoints stay"
