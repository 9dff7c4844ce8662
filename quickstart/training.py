"""The example training: applied anew, and what it ran with."""

import time

from lwm_trainer.config import RunConfig
from quickstart.manifest import Manifest
from tools.kubectl import CommandError, Kubectl

_PODS_GONE_SECONDS = 120.0


def apply_anew(kubectl: Kubectl, manifest: Manifest) -> None:
    """Applies the training; one of that name from an earlier run goes first, with its pods."""
    name = manifest["metadata"]["name"]
    if kubectl.get("lwmtraining", name):
        kubectl("delete", "lwmtraining", name, "--cascade=foreground", "--timeout=120s", seconds=150)
        deadline = time.monotonic() + _PODS_GONE_SECONDS
        while kubectl("get", "pods", f"--selector=lwm.dev/training={name}", "--output=name").strip():
            if time.monotonic() > deadline:
                raise CommandError(f"pods of the earlier training {name} are still there after {_PODS_GONE_SECONDS:.0f} s: delete them")
            time.sleep(1)
    kubectl.apply(manifest)


def run_config(kubectl: Kubectl, name: str, stage: int, attempt: int) -> RunConfig:
    """What the attempt (from 1) of the stage (from 1) ran with. Raises CommandError when its ConfigMap is gone."""
    found = kubectl.get("configmap", f"{name}-s{stage}-a{attempt}")
    if not found:
        raise CommandError(f"ConfigMap {name}-s{stage}-a{attempt} is gone, so its tokens cannot be counted: run the training anew")
    return RunConfig.model_validate_json(found["data"]["run.json"])


def evidence(kubectl: Kubectl, name: str) -> str:
    """What a person would look at next: the description, the pods, and the last lines of the trainers and of the operator."""
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
