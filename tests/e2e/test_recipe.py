"""The whole recipe on real pods: two texts, pictures and clips, chats, all prepared by workers; one of these and a trainer are killed."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from devcluster import pods
from devcluster.paths import Cluster
from devcluster.trainings import (
    BUCKET,
    SECONDS,
    events,
    exit_codes,
    pod_of,
    pods_of,
    stages,
    status,
    until,
    wait_for_complete,
    wait_past_commit,
)
from e2e import kept_programs
from lwm_trainer.config import RunConfig
from quickstart.learning_check import hashes_of
from quickstart.options import EXAMPLE
from quickstart.results import StageRecord, read_stage, run_config
from quickstart.storage import recipe_objects, upload
from quickstart.training import Manifest, read
from tools.kubectl import Kubectl

pytestmark = pytest.mark.embedded
NAME = "recipe"
FOLDER, RUNS = "recipe-data", "recipe-data/runs"
"""Folders of the bucket for this test's data: the books of other tests stay as they are."""
WORKER = 1
PREPARATION, VICTIM = f"{NAME}-d1-r0", f"{NAME}-s3-a1"
FEW = 8
"""Steps at a stage's begin and end whose mean losses are compared: one step alone jumps."""

NEW = {"text128": ("all",), "vision512": ("all", "text", "vision"), "chat512": ("all", "text")}
"""What a stage learns that none before it did: captions and pictures, then answers."""


def recipe() -> Manifest:
    training = read(EXAMPLE.parent / "recipe-small.yaml")
    training["metadata"]["name"] = NAME
    spec = training["spec"]
    for place in (spec["tokenizer"], *(dataset["source"] for dataset in spec["datasets"])):
        place["uri"] = place["uri"].replace("gs://lwm/", f"gs://{BUCKET}/{FOLDER}/")
    spec["checkpoint"]["uri"] = f"gs://{BUCKET}/{RUNS}"
    return training


@dataclass(frozen=True)
class Story:
    worker: dict[str, Any]
    """The pod that was killed while it prepared the books."""
    printed: list[dict[str, Any]]
    """The step lines of the first vision stage's trainer before it was killed."""
    records: list[StageRecord]
    configs: list[RunConfig]


@pytest.fixture(scope="module")
def story(kubectl: Kubectl, cluster: Cluster) -> Story:
    kept_programs.put(BUCKET, RUNS, cluster.storage_url)
    upload({f"{FOLDER}/{name}": content for name, content in recipe_objects().items()}, BUCKET, cluster.storage_url)
    kubectl.apply(recipe())
    worker = until(lambda: pod_of(kubectl, PREPARATION, WORKER), SECONDS, "a worker prepares the books")
    pods.kill(worker["metadata"]["uid"])
    printed = wait_past_commit(kubectl, VICTIM)
    trainer = pod_of(kubectl, VICTIM, 1)
    assert trainer is not None
    pods.kill(trainer["metadata"]["uid"])
    wait_for_complete(kubectl, NAME)
    ended = stages(kubectl, NAME)
    records = [read_stage(stage["finalCheckpoint"]["path"], cluster.storage_url) for stage in ended]
    configs = [run_config(kubectl, NAME, number, stage["attempts"]) for number, stage in enumerate(ended, start=1)]
    return Story(worker, printed, records, configs)


def test_text_then_vision_then_chat_to_complete(kubectl: Kubectl, story: Story) -> None:
    ends = [(stage["name"], stage["state"], stage["attempts"]) for stage in stages(kubectl, NAME)]
    names = ["text128", "text512", "vision512", "vision1024", "chat512"]
    assert ends == [(name, "Complete", 2 if name == "vision512" else 1) for name in names]
    assert [config.model.vision is not None for config in story.configs] == [False, False, True, True, True]


def test_a_killed_worker_is_made_again_and_all_data_sets_are_whole(kubectl: Kubectl, story: Story) -> None:
    label = "batch.kubernetes.io/job-completion-index"
    workers = [pod for pod in pods_of(kubectl, PREPARATION) if pod["metadata"]["labels"][label] == str(WORKER)]
    killed = [pod for pod in workers if pod["metadata"]["name"] == story.worker["metadata"]["name"]]
    assert exit_codes(killed) == [137]
    assert exit_codes([pod for pod in workers if pod not in killed]) == [0]
    ready = {entry["name"]: entry for entry in status(kubectl, NAME)["datasets"]}
    assert {name: entry["state"] for name, entry in ready.items()} == dict.fromkeys(
        ("books", "manual", "held-out", "pictures", "chats"), "Ready"
    )
    assert ready["books"]["documents"] == 60
    notes = [event["note"] for event in events(kubectl, NAME) if event["reason"] == "DatasetReady"]
    assert {name for name in ready for note in notes if note.startswith(f"data set {name}: ")} == set(ready)


def test_a_killed_trainer_goes_on_from_its_commit(kubectl: Kubectl, story: Story) -> None:
    again, first = stages(kubectl, NAME)[2]["recentAttempts"]
    assert first["rootCause"]["reason"] == "Killed"
    begun, reached = again["fromStep"], story.printed[-1]["step"]
    assert 0 < begun == first["committedStep"]
    assert begun + 2 <= reached, "two steps or more ran again"
    lost = [line for line in story.printed if line["step"] > begun]
    assert [float(story.records[2].losses[line["step"] - 1]) for line in lost] == [line["loss"] for line in lost]


def test_held_out_pages_are_validated_on_and_a_kill_costs_no_validation(kubectl: Kubectl, story: Story) -> None:
    steps = {record.name: [each.step for each in record.validations] for record in story.records}
    assert steps == {"text128": [20, 40], "text512": [20, 30], "vision512": [20, 40, 60], "vision1024": [], "chat512": []}
    first, second, *_ = story.records[0].validations
    assert second.loss < first.loss - 0.05, "what is learned of the manual's other pages helps"
    assert first.targets == second.targets, "the same documents each time"
    for record, entry in zip(story.records[:3], stages(kubectl, NAME), strict=False):
        assert entry["validationLoss"] == f"{record.validations[-1].loss:.4f}"


def test_every_stage_saw_the_planned_tokens_and_no_others(story: Story, cluster: Cluster) -> None:
    """Planned anew from the sources, without what was prepared. Pictures and clips become codes in preparation only."""
    for config, record in zip(story.configs, story.records, strict=True):
        assert all(dataset.prepared is not None for dataset in config.datasets)
        sources = tuple(dataset.model_copy(update={"prepared": None}) if dataset.media is None else dataset for dataset in config.datasets)
        planned = hashes_of(config.model_copy(update={"datasets": sources}), cluster.storage_url)
        assert planned == record.tokens_hash.tolist(), config.stage
        assert len(set(planned)) == config.steps


def test_what_is_learned_of_text_of_pictures_and_of_chats(story: Story) -> None:
    for record in story.records:
        for name, losses in {"all": record.losses, **record.by_modality}.items():
            seen = losses[np.isfinite(losses)]
            assert len(seen) >= 2 * FEW, (record.name, name)
            falls = float(seen[:FEW].mean() - seen[-FEW:].mean())
            print(json.dumps({"stage": record.name, "of": name, "falls": round(falls, 3)}))
            if name in NEW.get(record.name, ()):
                assert falls > 0.2, (record.name, name)
