"""What must hold on any cluster: data on a claim of the cluster's own storage, one training left alone, one disturbed."""

import json
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from devcluster.trainings import (
    SECONDS,
    final_hashes,
    manifest,
    pod_of,
    pods_of,
    stages,
    status_when,
    wait_for_complete,
    wait_past_commit,
)
from quickstart.claim import NAME, Claim, claim
from quickstart.external import node_of
from quickstart.storage import small_objects
from quickstart.training import Manifest, on_claim
from tools.kubectl import Kubectl

STEPS = 140
DELETED = "struck-s1-a2"


def one_stage(name: str) -> Manifest:
    training = manifest(name)
    training["spec"]["stages"] = [training["spec"]["stages"][0] | {"steps": STEPS}]
    return training


@pytest.fixture(scope="module")
def shelf(kubectl: Kubectl, built: tuple[str, str], options: Namespace, request: pytest.FixtureRequest) -> Iterator[Claim]:
    """A claim of the cluster's default storage class; the embedded cluster has none, so a volume waits there for this claim."""
    if not options.context:
        request.getfixturevalue("volume")(kubectl.namespace)
    with claim(kubectl, built[1], options.storage_class, options.access_mode) as filled:
        filled.fill(small_objects(), folders=("runs",))
        yield filled


@dataclass(frozen=True)
class Story:
    suspended: dict[str, Any]
    running_then: int
    steps_before_the_kill: int


@pytest.fixture(scope="module")
def story(kubectl: Kubectl, shelf: Claim) -> Story:
    """`left` is left alone; `struck` is suspended and resumed, then one of its pods is killed by whoever may only ask the API server."""
    for name in ("left", "struck"):
        kubectl.apply(on_claim(one_stage(name), NAME, node_of(shelf)))
    wait_past_commit(kubectl, "struck-s1-a1")
    patch(kubectl, suspend=True)
    suspended = status_when(kubectl, "struck", lambda now: now["reason"] == "Suspended", SECONDS, "it has saved and left")
    running = sum(1 for pod in pods_of(kubectl, "struck-s1-a1") if pod["status"]["phase"] == "Running")
    patch(kubectl, suspend=False)
    steps = wait_past_commit(kubectl, DELETED)[-1]["step"]
    victim = pod_of(kubectl, DELETED, 1)
    assert victim is not None
    kubectl("delete", "pod", victim["metadata"]["name"], "--grace-period=0", "--force")  # SIGKILL is what a grace of nothing comes to
    wait_for_complete(kubectl, "left", "struck")
    return Story(suspended, running, steps)


def patch(kubectl: Kubectl, **spec: Any) -> None:
    kubectl("patch", "lwmtraining", "struck", "--type=merge", f"--patch={json.dumps({'spec': spec})}")


def test_left_alone_it_completes_without_a_restart_on_the_clusters_own_storage(kubectl: Kubectl, story: Story) -> None:
    (stage,) = stages(kubectl, "left")
    assert (stage["state"], stage["step"], stage["attempts"]) == ("Complete", STEPS, 1)
    assert stage["finalCheckpoint"]["path"].startswith(f"/lwm/checkpoint/{kubectl.namespace}/left-")


def test_suspended_it_saves_and_leaves_and_nothing_is_charged(kubectl: Kubectl, story: Story) -> None:
    assert (story.suspended["phase"], story.running_then) == ("Suspended", 0)
    first = stages(kubectl, "struck")[0]["recentAttempts"][-1]
    assert (first["number"], first["state"], first.get("rootCause")) == (1, "Suspended", None)


def test_a_killed_pod_is_the_cause_of_the_next_attempt_which_goes_on_from_a_commit(kubectl: Kubectl, story: Story) -> None:
    again, killed, _ = stages(kubectl, "struck")[0]["recentAttempts"]
    assert (again["number"], again["state"], killed["state"]) == (3, "Complete", "Failed")
    assert (killed["rootCause"]["class"], killed["rootCause"]["host"]) == ("Disruption", 1)
    assert killed["fromStep"] < again["fromStep"] < STEPS
    assert again["fromStep"] <= story.steps_before_the_kill + 20


def test_record_and_state_are_those_of_the_one_left_alone(kubectl: Kubectl, story: Story) -> None:
    assert final_hashes(kubectl, "struck") == final_hashes(kubectl, "left")


def test_all_pods_of_a_volume_of_one_node_ran_there(kubectl: Kubectl, story: Story, shelf: Claim, options: Namespace) -> None:
    if options.access_mode == "ReadWriteMany":
        pytest.skip("ACCESS_MODE=ReadWriteMany: pods may be anywhere")
    assert {pod["spec"]["nodeName"] for pod in pods_of(kubectl, "left-s1-a1")} == {shelf.node}
