"""One training is suspended, resumed, and killed at five random moments: its result is that of an undisturbed one.

`make soak` kills a hundred times.
"""

import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from e2e import kills
from e2e.trainings import SECONDS, complete, ends, manifest, past_a_commit, pods_of, stages, status, until
from quickstart.kubectl import Kubectl

KILLS = 5
NAME = "gusty"


@dataclass
class Story:
    suspended_at: int
    suspended: dict[str, Any]
    pods_left: int
    hit: Counter[str]


def patch(kubectl: Kubectl, **spec: Any) -> None:
    kubectl("patch", "lwmtraining", NAME, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


@pytest.fixture(scope="module")
def story(kubectl: Kubectl, calm: str) -> Story:
    kubectl.apply(manifest(NAME, checkpoint=kills.checkpoint(), **kills.SPEC))
    printed = past_a_commit(kubectl, f"{NAME}-s1-a1")
    patch(kubectl, suspend=True)
    until(lambda: status(kubectl, NAME)["reason"] == "Suspended", SECONDS, "it has saved and left")
    suspended = status(kubectl, NAME)
    left = sum(1 for pod in pods_of(kubectl, f"{NAME}-s1-a1") if pod["status"]["phase"] == "Running")
    patch(kubectl, suspend=False)
    until(lambda: status(kubectl, NAME)["reason"] == "Training", SECONDS, "it goes on")
    hit = kills.run(kubectl, NAME, KILLS, random.Random(5))
    complete(kubectl, NAME, calm)
    return Story(suspended_at=printed[-1]["step"], suspended=suspended, pods_left=left, hit=hit)


def test_suspending_saves_first_and_costs_no_step_and_no_budget(kubectl: Kubectl, story: Story) -> None:
    assert (story.suspended["phase"], story.pods_left) == ("Suspended", 0)
    assert {each["type"]: each["status"] for each in story.suspended["conditions"]}["Suspended"] == "True"
    again, first = [each for each in stages(kubectl, NAME)[0]["recentAttempts"] if each["number"] in (1, 2)]
    assert (first["state"], first.get("rootCause")) == ("Suspended", None)
    assert again["fromStep"] >= story.suspended_at, "it went on from where it was told, not from the commit before"
    assert sum(story.suspended["stages"][0]["failures"].values()) == 0


def test_five_random_kills_change_nothing(kubectl: Kubectl, calm: str, story: Story) -> None:
    assert sum(story.hit.values()) == KILLS
    assert ends(kubectl, NAME) == ends(kubectl, calm)


def test_each_kill_of_a_trainer_cost_one_attempt_and_those_of_the_operator_none(kubectl: Kubectl, story: Story) -> None:
    of_trainers = sum(times for victim, times in story.hit.items() if victim.startswith("host"))
    assert of_trainers >= 1
    assert sum(stage["attempts"] - 1 for stage in stages(kubectl, NAME)) == of_trainers + 1, "and one for the suspension"
