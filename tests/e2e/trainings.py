"""Small trainings on real pods, and what is seen of them."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from lwm_trainer.config import PROGRESS_ANNOTATION, STEP_LINE_PREFIX
from quickstart.kubectl import Kubectl

EVERY = 10
STAGES = (
    ("ctx128", 128, 10000.0, {"fsdp": 2, "sp": 2}, 20),
    ("ctx256", 256, 20000.0, {"tp": 2, "sp": 2}, 60),
    ("ctx512", 512, 40000.0, {"sp": 4}, 30),
)
"""Name, context length, theta, mesh, steps. The second is long enough to be killed in its middle on a fast machine too."""


def manifest(name: str) -> dict[str, Any]:
    """Three stages with a commit every 10 steps, each on another mesh of two hosts with two devices."""
    return {
        "apiVersion": "lwm.dev/v1alpha1",
        "kind": "LWMTraining",
        "metadata": {"name": name},
        "spec": {
            "model": {"layers": 2, "width": 64, "heads": 2, "kvHeads": 2, "headDim": 32, "mlpWidth": 128, "vocabSize": 2048},
            "tokenizer": {"uri": "gs://e2e/tokenizer/tokenizer.json"},
            "datasets": [{"name": "books", "kind": "text", "source": {"uri": "gs://e2e/books"}}],
            "checkpoint": {
                "uri": "gs://e2e/runs",
                "endpoint": "http://fake-gcs.lwm-storage.svc:4443",
                "everySteps": EVERY,
                "keep": 2,
            },
            "accelerator": {"type": "cpu", "cpu": {"hosts": 2, "devicesPerHost": 2, "threads": 2}},
            "stages": [
                {
                    "name": stage,
                    "contextLength": length,
                    "ropeTheta": theta,
                    "batchTokens": 1024,
                    "steps": steps,
                    "mesh": mesh,
                    "optimizer": {"peakLearningRate": 0.003, "warmupSteps": 4},
                }
                for stage, length, theta, mesh, steps in STAGES
            ],
        },
    }


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.get("lwmtraining", name).get("status", {})
    return found


def until(what: Callable[[], Any], seconds: float, sentence: str) -> Any:
    """Ask twice a second until the answer is true; return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:.0f} s still not: {sentence}")
        time.sleep(0.5)
    return found


def pod_of(kubectl: Kubectl, job: str, index: int) -> dict[str, Any] | None:
    """The running pod of a host, if it runs."""
    selector = f"batch.kubernetes.io/job-name={job},batch.kubernetes.io/job-completion-index={index}"
    pods = json.loads(kubectl("get", "pods", f"--selector={selector}", "--output=json"))["items"]
    return next((pod for pod in pods if pod["status"]["phase"] == "Running"), None)


def committed(kubectl: Kubectl, job: str) -> int:
    """The last step that the attempt has reported as committed."""
    report = kubectl.get("lease", job).get("metadata", {}).get("annotations", {}).get(PROGRESS_ANNOTATION, "{}")
    return int(json.loads(report).get("committedStep", 0))


def follow_steps(kubectl: Kubectl, pod: str) -> Iterator[dict[str, Any]]:
    """The step lines of a pod as they are printed."""
    command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}", "logs", "--follow", pod]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                _, found, text = line.partition(STEP_LINE_PREFIX)
                if found:
                    yield json.loads(text)
        finally:
            process.kill()
