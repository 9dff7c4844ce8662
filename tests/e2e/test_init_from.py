"""spec.model.initFrom on real pods: one training begins where another one ended; what cannot be begun with is named."""

import json
from typing import Any

import pytest

from e2e.installation import BUCKET
from e2e.trainings import a_stage, complete, manifest, status
from quickstart.kubectl import Kubectl

STEPS = 8


def short(name: str, theta: float = 10000.0, **model: Any) -> dict[str, Any]:
    """One stage of a few steps on two hosts."""
    found = manifest(name, stages=[a_stage("ctx128", 128, theta, {"fsdp": 2, "sp": 2}, STEPS)])
    found["spec"]["model"] |= model
    return found


@pytest.fixture(scope="module")
def donor(kubectl: Kubectl) -> str:
    """The final checkpoint of a complete training, in the bucket."""
    kubectl.apply(short("donor"))
    complete(kubectl, "donor")
    path: str = status(kubectl, "donor")["stages"][0]["finalCheckpoint"]["path"]
    return path


def events(kubectl: Kubectl, name: str) -> dict[str, str]:
    """Reason and message."""
    found = json.loads(kubectl("get", "events.events.k8s.io", "--output=json"))["items"]
    return {event["reason"]: event["note"] for event in found if event["regarding"]["name"] == name}


def test_a_training_begins_with_anothers_parameters_or_says_why_it_cannot(kubectl: Kubectl, donor: str) -> None:
    cases = {
        "heir": short("heir", theta=50.0, initFrom={"uri": donor}),
        "stranger": short("stranger", heads=4, initFrom={"uri": donor}),
        "lost": short("lost", initFrom={"uri": f"gs://{BUCKET}/nowhere"}),
    }
    for each in cases.values():
        kubectl.apply(each)
    complete(kubectl, "heir")
    for name, words in (
        ("stranger", f"spec.model.initFrom: {donor}: model.heads is 2 there, but 4 in this training"),
        ("lost", f"spec.model.initFrom: gs://{BUCKET}/nowhere: there is no such folder"),
    ):
        kubectl("wait", "--for=condition=Failed", f"lwmtraining/{name}", "--timeout=300s", seconds=330)
        found = status(kubectl, name)
        assert (found["reason"], found["stages"][0]["attempts"]) == ("BadCheckpoint", 1)
        assert words in found["message"]
    first = float(status(kubectl, "donor")["stages"][0]["loss"])
    assert float(status(kubectl, "heir")["stages"][0]["loss"]) < first, "it goes on from there"
    told = events(kubectl, "heir")
    assert told["StageStarted"].endswith(f"from spec.model.initFrom: {donor}")
    assert told["SpecWarning"].startswith("spec.stages[ctx128].ropeTheta: 50 lies below 114, the least for 128 tokens")
    assert "ropeTheta" not in status(kubectl, "heir")["message"]
