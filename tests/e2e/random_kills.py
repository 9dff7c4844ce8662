"""Random kills of one training's processes: `python -m e2e.random_kills --count 100 --seed 1` on the embedded cluster.

Victims are the processes of either host and the operator's; moments are random, mostly in the middle of steps, now and then while an
attempt is still starting. What must hold at the end: Complete, and record and state equal to those of an undisturbed training.
"""

import argparse
import random
import sys
import time
from collections import Counter
from typing import Any

from devcluster import installation, pods
from devcluster.paths import Cluster, binaries
from devcluster.run import ClusterError
from devcluster.trainings import (
    BUCKET,
    STAGES,
    final_hashes,
    manifest,
    operator_pod,
    pod_of,
    stage_manifest,
    status,
    until,
    wait_for_complete,
)
from quickstart.storage import small_objects, upload
from tools.kubectl import Kubectl

EVERY = 10
SECONDS = 600
STEPS_A_KILL = 12
"""What a stage needs for one kill, so that there is always something left to disturb."""
LONGEST_WAIT = 15.0
SPEC: dict[str, Any] = {"failurePolicy": {"avoidNodesAfter": 0, "budgets": {"infra": 100, "app": 100}}}
"""Two nodes would both be avoided soon."""


def run(kubectl: Kubectl, name: str, count: int, chance: random.Random, longest_wait: float = LONGEST_WAIT) -> Counter[str]:
    """Kill `count` times, each at a random moment of a living attempt; how often each victim was hit, and in which phase."""
    hits: Counter[str] = Counter()
    began = time.monotonic()
    for number in range(1, count + 1):
        current = until(lambda: living(kubectl, name), SECONDS, "an attempt is on")
        if current["phase"] == "Complete":
            raise AssertionError(f"complete after {number - 1} kills of {count}: give its stages more steps")
        victim = chance.choice(("host 0", "host 1", "host 0", "host 1", "operator"))
        if chance.random() < 0.8:
            until(lambda: training(kubectl, name), SECONDS, "the attempt trains")
            time.sleep(chance.uniform(0.0, longest_wait))
        struck = strike(kubectl, name, victim)
        label = f"{victim} in {struck['reason']}"
        hits[label] += 1
        if victim != "operator":
            lost = where(struck)
            until(lambda lost=lost: where(status(kubectl, name)) != lost, SECONDS, "the attempt is known to be lost")  # type: ignore[misc]
        seconds = time.monotonic() - began
        summary = status(kubectl, name)["summary"]
        print(
            f"[{seconds:6.0f} s] {number}/{count} {label} at stage {summary['stage']}, step {summary['step']}", file=sys.stderr, flush=True
        )
    return hits


def strike(kubectl: Kubectl, name: str, victim: str) -> dict[str, Any]:
    """SIGKILL to the victim; returns the training's status when it was hit. A host that has just ended is struck in the next attempt."""
    now = status(kubectl, name)
    if victim == "operator":
        operator = operator_pod(kubectl)
        pods.kill(operator["metadata"]["uid"])
        # A pod of its own for each life: the kubelet would make a container that dies often wait for minutes.
        Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)("delete", "pod", operator["metadata"]["name"], "--wait=false")
        return now
    for _ in range(60):
        now = status(kubectl, name)
        pod = pod_of(kubectl, f"{name}-s{now['currentStage']}-a{now['attempt']}", int(victim[-1]))
        try:
            if pod is not None:
                pods.kill(pod["metadata"]["uid"])
                return now
        except ClusterError:
            pass
        time.sleep(1.0)
    raise AssertionError(f"no {victim} was to be found for a minute: {now['message']}")


def where(now: dict[str, Any]) -> tuple[int, int]:
    """Stage and attempt of a status."""
    return now["currentStage"], now["attempt"]


def living(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    now = status(kubectl, name)
    return now if now.get("phase") in ("Running", "Starting", "Recovering", "Complete") and now.get("attempt") else None


def training(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    now = status(kubectl, name)
    return now if now.get("reason") in ("Training", "Complete") else None


def longer(count: int) -> list[dict[str, Any]]:
    """The stages, with steps enough for that many kills."""
    steps = max(40, count * STEPS_A_KILL // len(STAGES))
    return [stage_manifest(name, length, theta, mesh, steps) for name, length, theta, mesh, _ in STAGES]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m e2e.random_kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--name", default="lwm-test", help="the cluster, which is up")
    options = parser.parse_args()
    cluster = Cluster(options.name)
    installation.install_operator(cluster, *installation.load_images(cluster))
    upload(small_objects(), BUCKET, cluster.storage_url)
    kubectl = Kubectl(cluster.kubeconfig, "default", str(binaries() / "kubectl"))
    calm, gusty = f"calm-{options.seed}", f"gusty-{options.seed}"
    for name in (calm, gusty):
        kubectl("delete", "lwmtraining", name, "--ignore-not-found")
    kubectl.apply(manifest(gusty, stages=longer(options.count), checkpoint=checkpoint(), **SPEC))
    hits = run(kubectl, gusty, options.count, random.Random(options.seed))
    kubectl.apply(manifest(calm, stages=longer(options.count)))
    wait_for_complete(kubectl, gusty, calm, seconds=3 * SECONDS)
    equal = final_hashes(kubectl, gusty) == final_hashes(kubectl, calm)
    for victim, times in sorted(hits.items()):
        print(f"{times:5}  {victim}")
    attempts = sum(stage["attempts"] for stage in status(kubectl, gusty)["stages"])
    print(f"{options.count} kills, {attempts} attempts, Complete: record and state at each stage's end {'equal' if equal else 'DIFFER'}")
    return 0 if equal else 1


def checkpoint() -> dict[str, Any]:
    usual: dict[str, Any] = manifest("x")["spec"]["checkpoint"]
    return usual | {"saveIntervalSteps": EVERY}


if __name__ == "__main__":
    sys.exit(main())
