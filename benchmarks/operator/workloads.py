"""What the benchmark runs: small trainings, and the bare Indexed Jobs of the same image beside them."""

import json
from dataclasses import dataclass
from typing import Any

from devcluster.paths import Cluster
from devcluster.trainings import manifest
from tools.kubectl import Kubectl

ENDLESS_STEPS = 1_000_000
NOWHERE = {"lwm.dev/benchmark": "no-such-node"}
LOST_NODE_SECONDS = 30
"""As our own pods have it; Kubernetes' default is 300."""


@dataclass(frozen=True)
class Bench:
    """The cluster, a namespace of our own, and the trainer's image."""

    cluster: Cluster
    kubectl: Kubectl
    trainer: str

    def create(self, document: dict[str, Any]) -> None:
        """POST the object with as little of kubectl's own work as can be."""
        group = document["apiVersion"]
        plural = document["kind"].lower() + "s"
        path = f"/apis/{group}/namespaces/{self.kubectl.namespace}/{plural}"
        self.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(document))

    def delete(self, kind: str, name: str) -> None:
        """Delete it with its pods, and return when both are gone."""
        self.kubectl("delete", kind, name, "--cascade=foreground", "--ignore-not-found", "--timeout=90s")


def training(name: str, steps: int = ENDLESS_STEPS, every: int = 5, **spec: Any) -> dict[str, Any]:
    """The first stage of the end-to-end tests' training: two hosts of two devices, a commit every `every` steps."""
    body = manifest(name)
    first = body["spec"]["stages"][0] | {"steps": steps}
    body["spec"] |= {"stages": [first], **spec}
    body["spec"]["checkpoint"]["saveIntervalSteps"] = every
    return body


def nowhere(name: str) -> dict[str, Any]:
    """A training whose pods no node takes."""
    return training(name, podTemplate={"nodeSelector": NOWHERE})


def bare_job(name: str, image: str, *, hosts: int = 1, selector: dict[str, str] | None = None) -> dict[str, Any]:
    """An Indexed Job that retries by itself, of the trainer's image, which sleeps."""
    tolerations = [
        {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": LOST_NODE_SECONDS}
        for state in ("not-ready", "unreachable")
    ]
    pod = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
        "tolerations": tolerations,
        "nodeSelector": selector or {},
        "containers": [{"name": "sleeper", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "infinity"]}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": hosts,
            "parallelism": hosts,
            "backoffLimit": 1000,
            "template": {"spec": pod},
        },
    }
