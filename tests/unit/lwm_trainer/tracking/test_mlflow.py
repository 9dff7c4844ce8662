"""MLflow itself, which keeps its runs in a folder instead of a server."""

from pathlib import Path

import pytest

from lwm_trainer.config import Mlflow
from lwm_trainer.tracking import mlflow as tracking_mlflow
from lwm_trainer.tracking.mlflow import TAG, MlflowTracker
from lwm_trainer.tracking.tracker import Point
from support.builders import a_run


def points(*steps: int) -> list[Point]:
    return [Point(step=step, finished_at=1e9 + step, scalars={"train/loss": float(step), "train/grad_norm": 0.5}) for step in steps]


def test_attempts_continue_one_run_and_a_rollback_begins_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setattr(tracking_mlflow, "_MOST_METRICS", 5)
    from mlflow import MlflowClient

    settings = Mlflow.model_construct(uri=tmp_path.as_uri(), experiment="worlds")
    first, second = (MlflowTracker(a_run(attempt=attempt), settings) for attempt in (1, 2))
    assert first.resume() == 0
    first.write(points(1, 2, 3))
    assert second.resume() == 3, "the server has what the first attempt committed"
    second.write(points(4))
    second.close()
    after = MlflowTracker(a_run(attempt=3, start={"rollbacks": [{"attempt": 3, "step": 1}]}), settings)
    assert after.resume() == 0
    client = MlflowClient(tracking_uri=tmp_path.as_uri())
    experiment = client.get_experiment_by_name("worlds")
    assert experiment is not None
    runs = {run.data.tags[TAG]: run for run in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == {"runs-s1-s", "runs-s1-s-r1"}
    run = runs["runs-s1-s"]
    assert run.info.status == "FINISHED"
    for name, values in (("train/loss", [1.0, 2.0, 3.0, 4.0]), ("train/grad_norm", [0.5] * 4)):
        history = sorted(client.get_metric_history(run.info.run_id, name), key=lambda metric: metric.step)
        assert [(metric.step, metric.timestamp) for metric in history] == [(step, 1000 * (10**9 + step)) for step in (1, 2, 3, 4)]
        assert [metric.value for metric in history] == values
