"""The example training: read from its file, put on other storage, applied to a prepared cluster."""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quickstart.learning_check import LearningCheck
from quickstart.results import StageRecord
from tools.kubectl import CommandError, Kubectl

_PODS_GONE_SECONDS = 120.0

Manifest = dict[str, Any]
ReadResults = Callable[[dict[str, Any]], tuple[list[StageRecord], LearningCheck]]
"""Reads each stage's record from its final checkpoint, and checks the last stage, for a training that is complete."""


@dataclass(frozen=True)
class PreparedCluster:
    """A cluster that has images, operator and data, embedded or external; `training` names its storage there.

    `setup` is a shell line that comes before kubectl, `kubectl_command` is kubectl as the user types it, `teardown` are the commands that
    remove everything."""

    kubectl: Kubectl
    training: Manifest
    read_results: ReadResults
    setup: str
    kubectl_command: str
    teardown: tuple[str, ...]


def read(path: Path) -> Manifest:
    """The one training in the file."""
    manifest: Manifest = yaml.safe_load(path.read_text())
    return manifest


def on_claim(training: Manifest, claim: str, node_selector: dict[str, str] | None = None) -> Manifest:
    """The training with each `gs://bucket/folder` as the folder of that name on the claim; pods only where `node_selector` says."""
    manifest = deepcopy(training)
    spec = manifest["spec"]

    def on_the_claim(uri: str) -> Manifest:
        folder = uri.removeprefix("gs://").partition("/")[2].removesuffix("/tokenizer.json")
        return {"pvc": {"claimName": claim, "subPath": folder}}

    spec["tokenizer"] = on_the_claim(spec["tokenizer"]["uri"])
    for dataset in spec["datasets"]:
        dataset["source"] = on_the_claim(dataset["source"]["uri"])
    checkpoint = spec["checkpoint"]
    spec["checkpoint"] = {name: value for name, value in checkpoint.items() if name not in ("uri", "endpoint")}
    spec["checkpoint"] |= on_the_claim(checkpoint["uri"])
    if node_selector:
        spec["podTemplate"] = {**spec.get("podTemplate", {}), "nodeSelector": node_selector}
    return manifest


def in_bucket(training: Manifest, bucket: str) -> Manifest:
    """The training with the folders of its bucket in another, which Google itself serves."""
    manifest = deepcopy(training)
    spec = manifest["spec"]
    for place in (spec["tokenizer"], spec["checkpoint"], *(dataset["source"] for dataset in spec["datasets"])):
        place["uri"] = f"gs://{bucket}/{place['uri'].removeprefix('gs://').partition('/')[2]}"
    del spec["checkpoint"]["endpoint"]
    return manifest


def replace_training(kubectl: Kubectl, manifest: Manifest) -> None:
    """Applies the training, after it has deleted one of that name from an earlier run with its pods."""
    name = manifest["metadata"]["name"]
    if kubectl.get("lwmtraining", name):
        kubectl("delete", "lwmtraining", name, "--cascade=foreground", "--timeout=120s", seconds=150)
        deadline = time.monotonic() + _PODS_GONE_SECONDS
        while kubectl("get", "pods", f"--selector=lwm.dev/training={name}", "--output=name").strip():
            if time.monotonic() > deadline:
                raise CommandError(f"pods of the earlier training {name} still exist after {_PODS_GONE_SECONDS:.0f} s: delete them")
            time.sleep(1)
    kubectl.apply(manifest)


def diagnostics(kubectl: Kubectl, name: str) -> str:
    """What a person would look at next: the description, the pods, and the last log lines of the trainers and of the operator."""
    texts = []
    for words in (
        ("describe", "lwmtraining", name),
        ("get", "pods", "--output=wide", f"--selector=lwm.dev/training={name}"),
        ("logs", f"--selector=lwm.dev/training={name}", "--all-containers", "--prefix", "--tail=25"),
        ("--namespace=lwm-system", "logs", "deployment/lwm-operator", "--tail=25"),
    ):
        try:
            texts.append(f"$ kubectl {' '.join(words)}\n{kubectl(*words)}")
        except CommandError as error:
            texts.append(str(error))
    return "\n".join(texts)
