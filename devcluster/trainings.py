"""Small trainings on real pods, and how to follow them.

Other components change state between reads. Assert on one snapshot: the object that ended the waiting (`until`, `status_when`), or what the
cluster keeps (recent attempts, Events). Otherwise wait for the state itself.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

from lwm_trainer.config import PROGRESS_ANNOTATION, STEP_LINE_PREFIX
from tools.kubectl import CommandError, Kubectl

BUCKET = "e2e"
RUNS = "runs"
"""The folder of all checkpoints in a bucket."""
EVERY = 20
PAST_A_SAVE = 3
"""Steps beyond a multiple of EVERY at which something happens: those at least run again."""
SECONDS = 900

STAGES = (
    ("ctx128", 128, 10000.0, {"fsdp": 2, "sp": 2}, 120),
    ("ctx256", 256, 20000.0, {"tp": 2, "sp": 2}, 200),
    ("ctx512", 512, 40000.0, {"sp": 4}, 320),
)
"""Name, context length, theta, mesh, steps: long enough to be disturbed several times between two commits, on a faster machine too."""


def manifest(name: str, bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    """Three stages with a commit every 20 steps, each on another mesh of two hosts with two devices; `changes` go into the spec."""
    return {
        "apiVersion": "lwm.dev/v1alpha1",
        "kind": "LWMTraining",
        "metadata": {"name": name},
        "spec": {
            "model": {"layers": 2, "width": 64, "heads": 2, "kvHeads": 2, "headDim": 32, "mlpWidth": 128, "vocabSize": 2048},
            "tokenizer": {"uri": f"gs://{bucket}/tokenizer/tokenizer.json"},
            "datasets": [{"name": "books", "kind": "text", "source": {"uri": f"gs://{bucket}/books"}}],
            "checkpoint": {
                "uri": f"gs://{bucket}/{RUNS}",
                "endpoint": "http://fake-gcs.lwm-storage.svc:4443",
                "saveIntervalSteps": EVERY,
                "maxToKeep": 2,
            },
            "accelerator": {"type": "cpu", "cpu": {"hosts": 2, "devicesPerHost": 2, "threads": 2}},
            "stages": [stage_manifest(*stage) for stage in STAGES],
            **changes,
        },
    }


def stage_manifest(name: str, length: int, theta: float, mesh: dict[str, int], steps: int, batch_tokens: int = 1024) -> dict[str, Any]:
    return {
        "name": name,
        "contextLength": length,
        "ropeTheta": theta,
        "batchTokens": batch_tokens,
        "steps": steps,
        "mesh": mesh,
        "optimizer": {"peakLearningRate": 0.003, "warmupSteps": 4},
    }


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    current: dict[str, Any] = kubectl.get("lwmtraining", name).get("status", {})
    return current


def status_when(kubectl: Kubectl, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float, sentence: str) -> dict[str, Any]:
    """The first status that was seen for which `holds` is true; the next one may be different again."""

    def look() -> dict[str, Any] | None:
        current = status(kubectl, name)
        return current if holds(current) else None

    accepted: dict[str, Any] = until(look, seconds, sentence)
    return accepted


def stages(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = status(kubectl, name)["stages"]
    return entries


def wait_for_complete(kubectl: Kubectl, *names: str, seconds: int = SECONDS) -> None:
    for name in names:
        kubectl("wait", "--for=condition=Complete", f"lwmtraining/{name}", f"--timeout={seconds}s", seconds=seconds + 30)


def final_hashes(kubectl: Kubectl, name: str) -> list[tuple[str, str]]:
    """Record and state hash at each stage's end."""
    return [(stage["finalCheckpoint"]["recordHash"], stage["finalCheckpoint"]["stateHash"]) for stage in stages(kubectl, name)]


def until(check: Callable[[], Any], seconds: float, sentence: str) -> Any:
    """Call `check` twice a second until its answer is true; return the answer."""
    end = time.monotonic() + seconds
    while not (answer := check()):
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds:.0f} s still not: {sentence}")
        time.sleep(0.5)
    return answer


def pods_of(kubectl: Kubectl, job: str) -> list[dict[str, Any]]:
    """The Job's pods that are there now. While an attempt is on or has just ended, one of them may be missing or have no node yet."""
    listing = kubectl("get", "pods", f"--selector=batch.kubernetes.io/job-name={job}", "--output=json")
    pods: list[dict[str, Any]] = json.loads(listing)["items"]
    return pods


def container_states(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The state of each container of the pods; one that has terminated stays so, for no trainer's container is restarted."""
    return [container["state"] for pod in pods for container in pod["status"].get("containerStatuses", [])]


def exit_codes(pods: list[dict[str, Any]]) -> list[int]:
    """The exit codes of the pods whose container has ended."""
    return [state["terminated"]["exitCode"] for state in container_states(pods) if "terminated" in state]


def events(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """The Events about the training, the earliest first."""
    listing = json.loads(kubectl("get", "events.events.k8s.io", "--output=json"))["items"]
    return sorted((event for event in listing if event["regarding"]["name"] == name), key=lambda event: event["eventTime"] or "")


def pod_of(kubectl: Kubectl, job: str, index: int) -> dict[str, Any] | None:
    """The running pod of a host, if it runs."""
    label = "batch.kubernetes.io/job-completion-index"
    running = [pod for pod in pods_of(kubectl, job) if pod["status"]["phase"] == "Running"]
    return next((pod for pod in running if pod["metadata"]["labels"][label] == str(index)), None)


def committed_step(kubectl: Kubectl, job: str) -> int:
    """The last step that the attempt has reported as committed."""
    report = kubectl.get("lease", job).get("metadata", {}).get("annotations", {}).get(PROGRESS_ANNOTATION, "{}")
    return int(json.loads(report).get("committedStep", 0))


def follow_steps(kubectl: Kubectl, pod: str) -> Iterator[dict[str, Any]]:
    """The step lines of a pod as they are printed."""
    command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", f"--namespace={kubectl.namespace}", "logs", "--follow", pod]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                _, prefix, text = line.partition(STEP_LINE_PREFIX)
                if prefix:
                    yield json.loads(text)
        finally:
            process.kill()


def wait_past_commit(kubectl: Kubectl, job: str, *, settled: bool = False) -> list[dict[str, Any]]:
    """Wait until the attempt has a commit of its own and is some steps past a save; returns the step lines that it printed so far.

    `settled`: the save is over too. The object store's emulator waits for ever for the rest of an upload whose sender is gone.
    """
    first: dict[str, Any] = until(lambda: pod_of(kubectl, job, 0), SECONDS, f"{job} runs")
    printed: list[dict[str, Any]] = []
    for line in follow_steps(kubectl, first["metadata"]["name"]):
        printed.append(line)
        begun, step = printed[0]["step"] - 1, line["step"]
        if not PAST_A_SAVE <= step % EVERY < EVERY - 2 or step <= begun + EVERY:
            continue
        # Unsettled, the save of this round may end before or after what happens now: either way some steps run again.
        if committed_step(kubectl, job) >= (step // EVERY * EVERY if settled else begun + 1):
            return printed
    raise AssertionError(f"{job} ended before it was {PAST_A_SAVE} steps past a commit")


def operator_pod(kubectl: Kubectl) -> dict[str, Any]:
    """The operator's running pod."""
    system = Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)

    def running() -> dict[str, Any] | None:
        try:
            pods = json.loads(system("get", "pods", "--selector=app.kubernetes.io/name=lwm-operator", "--output=json"))["items"]
        except CommandError:
            return None
        return next((pod for pod in pods if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]), None)

    pod: dict[str, Any] = until(running, 120, "an operator's pod is there")
    return pod
