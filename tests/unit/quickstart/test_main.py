"""Where the quickstart trains: on a cluster, or without one."""

from pathlib import Path

import numpy as np
import pytest

from devcluster import checks
from lwm_cli.local.manifest import Options, load_local
from quickstart import __main__ as module
from quickstart import local
from quickstart.learning_check import LearningCheck
from quickstart.results import StageRecord
from support.local_training import write_file


@pytest.fixture(autouse=True)
def trained_locally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training in local mode is one that has learned, without any step; a cluster is an error."""
    training = load_local(write_file(tmp_path), Options(), None)
    losses = np.linspace(8, 4, 12, dtype=np.float32)
    stage = StageRecord("short", "/checkpoint", 64, 1e4, losses, losses, np.zeros(12, np.uint32))
    monkeypatch.setattr(local, "run", lambda options, times: (training, [stage], LearningCheck(loss=4.0, entropy=5.5)))
    monkeypatch.setattr(module, "PICTURE", tmp_path / "loss.png")

    def on_cluster(options: object) -> LearningCheck:
        raise ValueError("a cluster")

    monkeypatch.setattr(module, "_on_cluster", on_cluster)


def test_local_mode_gives_verdict_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert module.main(["--local"]) == 0
    printed = capsys.readouterr().out
    assert "learned: mean loss of the last 10 steps: 4.000 nats per token, 1.500 below the unigram entropy of 5.500" in printed
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
