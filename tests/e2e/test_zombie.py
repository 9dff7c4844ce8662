"""A zombie: its node's kubelet and containerd are dead, nobody can end it, and it goes on training and committing beside its successor."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from devcluster import faults, pods
from devcluster.paths import Cluster
from devcluster.trainings import (
    RUNS,
    SECONDS,
    committed_step,
    final_hashes,
    follow_steps,
    manifest,
    pod_of,
    stage_manifest,
    stages,
    status,
    until,
    wait_for_complete,
    wait_past_commit,
)
from e2e import kept_programs
from quickstart.storage import small_objects, upload
from tools.kubectl import Kubectl

pytestmark = [pytest.mark.embedded, pytest.mark.serial]
BUCKET = "zombie"
"""The emulator goes through all of a bucket to list a folder: in one that other tests have filled, a save takes until the next."""
STEPS, BATCH_TOKENS = 120, 4096
"""Steps so long that a save is over well before the next one begins: it must be known what is committed when the node goes."""
SLOW = 0.1
"""The zombie's share of a core, so that it is still at work when its successor is: nearly dead machines are slow."""


def alone(name: str, node: str) -> dict[str, Any]:
    """One host, so that no peer's end takes the zombie along."""
    return manifest(
        name,
        BUCKET,
        accelerator={"type": "cpu", "cpu": {"hosts": 1, "devicesPerHost": 4, "threads": 2}},
        stages=[stage_manifest("ctx256", 256, 20000.0, {"sp": 4}, STEPS, BATCH_TOKENS)],
        podTemplate={"nodeSelector": {"kubernetes.io/hostname": node}},
    )


@dataclass(frozen=True)
class Story:
    resumed: int
    began_with: int
    zombie_then: int
    """What the zombie had committed when its successor began to train."""
    zombie_last: int


@pytest.fixture(scope="module")
def story(kubectl: Kubectl, cluster: Cluster) -> Story:
    one, two = cluster.nodes
    upload(small_objects(), BUCKET, cluster.storage_url)
    kept_programs.put(BUCKET, RUNS, cluster.storage_url)
    kubectl.apply(alone("still", one.name))
    kubectl.apply(alone("undead", two.name))
    wait_past_commit(kubectl, "undead-s1-a1", settled=True)
    zombie = pod_of(kubectl, "undead-s1-a1", 0)
    assert zombie is not None
    uid = zombie["metadata"]["uid"]
    faults.orphan(two)
    try:
        pods.throttle(uid, SLOW)
        moved = {"spec": {"podTemplate": {"nodeSelector": {"kubernetes.io/hostname": one.name}}}}
        kubectl("patch", "lwmtraining", "undead", "--type=merge", f"--patch={json.dumps(moved)}")
        successor = until(lambda: pod_of(kubectl, "undead-s1-a2", 0), SECONDS, "the next attempt runs, although the node is only silent")
        first = next(follow_steps(kubectl, successor["metadata"]["name"]))
        then = committed_step(kubectl, "undead-s1-a1")
        assert pods.processes_of(uid), "the zombie lives"
        pods.throttle(uid, None)
        wait_for_complete(kubectl, "undead", "still")
        # Its folder is swept by its successor, which may end it before its own end.
        until(lambda: not pods.processes_of(uid), SECONDS, "the zombie has come to an end")
        last = committed_step(kubectl, "undead-s1-a1")
    finally:
        faults.revive(two)
    resumed = stages(kubectl, "undead")[0]["recentAttempts"][0]["fromStep"]
    return Story(resumed=resumed, began_with=first["step"], zombie_then=then, zombie_last=last)


def test_the_successor_did_not_wait_for_the_zombie(kubectl: Kubectl, story: Story) -> None:
    again, zombie = stages(kubectl, "undead")[0]["recentAttempts"]
    assert (again["state"], zombie["state"]) == ("Complete", "Failed")
    assert (zombie["rootCause"]["reason"], zombie["rootCause"]["class"], zombie["rootCause"]["node"]) == ("NodeNotReady", "Infra", "node2")
    assert story.zombie_then < STEPS


def test_the_zombie_went_on_committing_after_its_successor_had_begun(story: Story) -> None:
    assert story.resumed == story.began_with - 1 <= story.zombie_then < STEPS
    assert story.zombie_last > story.zombie_then


def test_nothing_that_it_committed_was_read(kubectl: Kubectl, story: Story) -> None:
    path = stages(kubectl, "undead")[0]["finalCheckpoint"]["path"]
    assert path.endswith(f"/s1-ctx256/a2/{STEPS}")
    assert final_hashes(kubectl, "undead") == final_hashes(kubectl, "still")
    assert status(kubectl, "undead")["summary"]["restarts"] == 1
