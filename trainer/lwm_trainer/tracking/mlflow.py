"""MLflow: one run per stage, which every attempt finds by a tag and continues."""

from collections.abc import Sequence
from typing import Any

from lwm_trainer.config import Mlflow, RunConfig
from lwm_trainer.tracking.run_id import run_id, training_id
from lwm_trainer.tracking.tracker import Point

TAG = "lwm.run"
"""Tag of a run with its `run_id`."""
_MOST_METRICS = 1000
"""Metrics that the server takes in one call. Source: https://mlflow.org/docs/latest/rest-api.html#log-batch"""
_EVERY_STEP_HAS = "train/loss"


class MlflowTracker:
    """`uri`: address of the server, or what else MLflow takes for one."""

    name = "mlflow"

    def __init__(self, run: RunConfig, settings: Mlflow) -> None:
        self._run, self._settings = run, settings
        self._client: Any = None
        self._id = ""

    def resume(self) -> int:
        from mlflow import MlflowClient

        self._client = self._client or MlflowClient(tracking_uri=self._settings.uri)
        experiment = self._experiment()
        name = run_id(self._run)
        runs = self._client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{name}'", max_results=1)
        tags = {TAG: name, "lwm.training": training_id(self._run), "lwm.stage": self._run.stage}
        run = runs[0] if runs else self._client.create_run(experiment, run_name=name, tags=tags)
        self._id = run.info.run_id
        if runs:
            self._client.update_run(self._id, status="RUNNING")
        return max((metric.step for metric in self._client.get_metric_history(self._id, _EVERY_STEP_HAS)), default=0)

    def write(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        batch: list[Any] = []
        for point in points:
            metrics = [Metric(name, value, int(1000 * point.finished_at), point.step) for name, value in point.scalars.items()]
            if len(batch) + len(metrics) > _MOST_METRICS:
                self._client.log_batch(self._id, metrics=batch)
                batch = []
            batch += metrics
        if batch:
            self._client.log_batch(self._id, metrics=batch)

    def close(self) -> None:
        if self._id:
            self._client.set_terminated(self._id)

    def _experiment(self) -> str:
        name = self._settings.experiment
        known = self._client.get_experiment_by_name(name)
        return str(known.experiment_id if known is not None else self._client.create_experiment(name))
