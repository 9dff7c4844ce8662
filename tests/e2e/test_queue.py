"""A queue takes a running training's nodes back, then once more while no operator runs: the result is that of a training left alone.

The test plays the queue, which does nothing but suspend and resume the Job (tests/kueue has Kueue itself).
"""

import json
from typing import Any

import pytest

from devcluster.trainings import (
    STAGES,
    final_hashes,
    manifest,
    pods_of,
    stage_manifest,
    status_when,
    until,
    wait_for_complete,
    wait_past_commit,
)
from tools.kubectl import Kubectl

pytestmark = pytest.mark.serial
NAME = "queued"
STAGE: dict[str, Any] = {"stages": [stage_manifest(*STAGES[0])]}
SECONDS = 300


def suspend(kubectl: Kubectl, attempt: int, value: bool) -> None:
    kubectl("patch", "job", f"{NAME}-s1-a{attempt}", "--type=merge", f"--patch={json.dumps({'spec': {'suspend': value}})}")


def queued(kubectl: Kubectl, attempt: int) -> dict[str, Any]:
    """The status, once the attempt waits in the queue."""

    def waits(now: dict[str, Any]) -> bool:
        return (now.get("reason"), now.get("attempt")) == ("Queued", attempt)

    return status_when(kubectl, NAME, waits, SECONDS, f"attempt {attempt} waits in the queue")


def evicted(now: dict[str, Any], number: int) -> dict[str, Any]:
    """The record of an attempt that the queue evicted at no cost."""
    entry = now["stages"][0]
    attempt: dict[str, Any] = next(attempt for attempt in entry["recentAttempts"] if attempt["number"] == number)
    assert (attempt["rootCause"]["reason"], attempt["rootCause"]["class"]) == ("EvictedByQueue", "Disruption")
    assert not any(entry.get("budgetsUsed", {}).get(budget) for budget in ("app", "infra", "hang"))
    return attempt


def test_what_a_queue_takes_back_goes_on_in_the_queue_and_ends_like_one_that_was_left_alone(kubectl: Kubectl) -> None:
    kubectl.apply(manifest("unqueued", **STAGE))
    kubectl.apply(manifest(NAME, **STAGE, execution={"queueName": "team"}))
    assert "waits in queue team since" in queued(kubectl, 1)["message"]
    assert pods_of(kubectl, f"{NAME}-s1-a1") == []

    suspend(kubectl, 1, False)
    printed = wait_past_commit(kubectl, f"{NAME}-s1-a1")
    suspend(kubectl, 1, True)
    first = evicted(queued(kubectl, 2), 1)
    assert first["step"] == first["committedStep"] >= printed[-1]["step"], "all hosts saved the step at which they were told to leave"
    until(lambda: kubectl.get("job", f"{NAME}-s1-a1") == {}, 60, "the first Job is gone: nobody may admit it again")

    suspend(kubectl, 2, False)
    wait_past_commit(kubectl, f"{NAME}-s1-a2")
    system = Kubectl(kubectl.kubeconfig, "lwm-system", kubectl.program)
    system("scale", "deployment", "--selector=app.kubernetes.io/name=lwm-operator", "--replicas=0")
    try:
        until(lambda: not json.loads(system("get", "pods", "--output=json"))["items"], SECONDS, "no operator is there")
        suspend(kubectl, 2, True)
        until(lambda: not pods_of(kubectl, f"{NAME}-s1-a2"), SECONDS, "its pods have left, and nobody has seen it")
    finally:
        system("scale", "deployment", "--selector=app.kubernetes.io/name=lwm-operator", "--replicas=1")
    second = evicted(queued(kubectl, 3), 2)
    assert second["committedStep"] > first["committedStep"]

    suspend(kubectl, 3, False)
    wait_for_complete(kubectl, NAME, "unqueued")
    assert final_hashes(kubectl, NAME) == final_hashes(kubectl, "unqueued")
