"""What is missing is said before the training begins, with the fix."""

from typing import Any

import pytest

from lwm_trainer.config import ExitCode
from lwm_trainer.tracking import requirements
from lwm_trainer.tracking.requirements import TrackerConfigError, require_trackers
from support.builders import a_run

ONLINE: dict[str, Any] = {"wandb": {"project": "lwm"}}
OFFLINE: dict[str, Any] = {"wandb": {"project": "lwm", "mode": "offline"}}
BUCKET = {"root": "gs://lwm/runs/t", "save_interval_steps": 1}


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


def test_what_can_work_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    require_trackers(a_run(trackers={"tensorboard": True}, checkpoint=BUCKET))
    require_trackers(a_run(trackers=OFFLINE))
    monkeypatch.setenv("WANDB_API_KEY", "key")
    require_trackers(a_run(trackers=ONLINE, checkpoint=BUCKET))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trackers": ONLINE}, r"trackers\.wandb: the variable WANDB_API_KEY is not set: give it in podTemplate\.env by valueFrom"),
        ({"trackers": OFFLINE, "checkpoint": BUCKET}, r"trackers\.wandb\.mode: offline writes on a file system.*use checkpoint\.pvc"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TrackerConfigError, match=words) as refused:
        require_trackers(a_run(**changes))
    assert refused.value.code == ExitCode.BAD_CONFIG


@pytest.mark.parametrize(("name", "trackers"), [("wandb", OFFLINE), ("mlflow", {"mlflow": {"uri": "http://mlflow:5000"}})])
def test_a_missing_package_is_named(name: str, trackers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda module: None)
    with pytest.raises(TrackerConfigError, match=rf"trackers\.{name}: the package {name} is not in this image: .*TRACKERS={name}"):
        require_trackers(a_run(trackers=trackers))
