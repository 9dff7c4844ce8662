"""Gates on real pods: after its last step a stage passes its gate, or the training is paused, or it has failed. All three run at once."""

from typing import Any

import pytest

from devcluster.trainings import BUCKET, SECONDS, manifest, pods_of, status, status_when, wait_for_complete
from tools.kubectl import Kubectl

pytestmark = pytest.mark.embedded
STEPS = 4
EASY, HARD = 100.0, 0.5
"""Validation losses that a model after so few steps is below, and above."""
GATES: dict[str, dict[str, Any]] = {
    "passes": {"maxValidationLoss": EASY},
    "pauses": {"maxValidationLoss": HARD, "onFailure": "Pause"},
    "fails": {"maxValidationLoss": HARD, "onFailure": "Fail"},
}


def gated(name: str, gate: dict[str, Any]) -> dict[str, Any]:
    """Two stages of one small host; the first ends at the gate."""
    training = manifest(name)
    spec = training["spec"]
    spec["datasets"].append({"name": "held-out", "kind": "text", "source": {"uri": f"gs://{BUCKET}/books/65-jude.txt"}})
    spec["accelerator"] = {"type": "cpu", "cpu": {"hosts": 1, "devicesPerHost": 1, "threads": 1}}
    first, second = ({**stage, "mesh": {}, "steps": STEPS, "contextLength": 128} for stage in spec["stages"][:2])
    spec["stages"] = [first | {"validation": {"datasets": ["held-out"], "batches": 2}, "gate": gate}, second]
    return training


@pytest.fixture(scope="module")
def ends(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    """The status of each training when it has come to its end, or to a pause."""
    for name, gate in GATES.items():
        kubectl.apply(gated(name, gate))
    final = ("Complete", "Paused", "Failed")
    return {name: status_when(kubectl, name, lambda now: now.get("phase") in final, SECONDS, f"{name} ends") for name in GATES}


def test_a_gate_lets_pass_pauses_or_fails(ends: dict[str, dict[str, Any]]) -> None:
    assert {name: now["phase"] for name, now in ends.items()} == {"passes": "Complete", "pauses": "Paused", "fails": "Failed"}
    assert {name: now["stages"][0]["gate"] for name, now in ends.items()} == {"passes": "Passed", "pauses": "Failed", "fails": "Failed"}
    for name in ("pauses", "fails"):
        stage = ends[name]["stages"][0]
        assert (ends[name]["reason"], stage["attempts"], stage["recentAttempts"][0]["rootCause"]["reason"]) == (
            "GateFailed",
            1,
            "GateFailed",
        )
        assert f"is above gate.maxValidationLoss {HARD}" in ends[name]["message"]
        assert HARD < float(stage["validationLoss"]) < EASY


def test_nothing_of_the_next_stage_runs_behind_a_closed_gate(kubectl: Kubectl, ends: dict[str, dict[str, Any]]) -> None:
    assert pods_of(kubectl, "fails-s2-a1") == []
    assert kubectl("get", "jobs", "--selector=lwm.dev/training=fails,lwm.dev/stage=2", "--output=name").strip() == ""


def test_resume_waives_a_gate_without_training_the_stage_again(kubectl: Kubectl, ends: dict[str, dict[str, Any]]) -> None:
    kept = ends["pauses"]["stages"][0]["committedStep"]
    assert kept == STEPS
    kubectl("patch", "lwmtraining", "pauses", "--type=merge", '--patch={"spec": {"resume": 1}}')
    wait_for_complete(kubectl, "pauses")
    first = status(kubectl, "pauses")["stages"][0]
    assert (first["gate"], first["recentAttempts"][0]["fromStep"]) == ("Waived", STEPS)
