"""Where the quickstart trains: on a cluster, or without one."""

from pathlib import Path

import numpy as np
import pytest

from devcluster import checks
from lwm_cli.local.folder import TrainingFolder
from lwm_cli.local.manifest import Options, load_local
from lwm_trainer.config import ValidationLoss
from quickstart import __main__ as module
from quickstart import local
from quickstart.learning_check import LearningCheck
from quickstart.results import StageRecord
from support.local_training import write_file


@pytest.fixture(autouse=True)
def trained_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in local mode is one that has learned, without any step; a cluster is an error."""
    training = load_local(write_file(tmp_path), Options(), None)
    folder = TrainingFolder(tmp_path / "out")
    folder.create(training.metadata.name, training.spec.model_dump(mode="json", by_alias=True, exclude_none=True))
    body = folder.body()
    losses = np.linspace(8, 4, 12, dtype=np.float32)
    held_out = [ValidationLoss(step=12, dataset="a", modality="text", loss=4 + n, targets=1 + 2 * n, positions=()) for n in (0, 1)]
    stage = StageRecord("short", "/checkpoint", 64, 1e4, losses, losses, np.zeros(12, np.uint32), validations=tuple(held_out))
    monkeypatch.setattr(local, "run", lambda options, times: (body, [stage], LearningCheck(loss=4.0, entropy=5.5)))
    monkeypatch.setattr(module, "PICTURE", tmp_path / "loss.png")
    monkeypatch.setattr(module, "write_report", lambda training, stages, path: None)

    def on_cluster(options: object) -> LearningCheck:
        raise ValueError("a cluster")

    monkeypatch.setattr(module, "_on_cluster", on_cluster)


def test_local_mode_gives_verdict_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--local"]) == 0
    printed = capsys.readouterr().out
    assert "learned: mean loss of the last 10 steps: 4.000 nats per token, 1.500 below the unigram entropy of 5.500" in printed
    assert "short      loss 8.000 -> 4.000, held-out 4.750  /checkpoint" in printed
    assert f"Report:  {module.REPORT}" in printed
    assert (tmp_path / "loss.png").stat().st_size > 10_000
    assert "embedded cluster" not in printed


def test_a_machine_without_the_embedded_cluster_trains_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "obstacle", lambda: "it needs root")
    assert module.main([]) == 0
    assert "cannot start, so this trains without one, as `make quickstart LOCAL=1` does: it needs root.\n" in capsys.readouterr().out


def test_a_machine_with_the_embedded_cluster_uses_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(checks, "obstacle", lambda: None)
    assert module.main([]) == 1
    assert "error: a cluster" in capsys.readouterr().out
