"""Prometheus metrics of process 0, served over HTTP."""

from collections.abc import Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, MetricsHandler

from lwm_trainer.config import METRICS_PORT, ValidationLoss
from lwm_trainer.config.http_server import serve_in_thread
from lwm_trainer.runtime import console
from lwm_trainer.runtime.step_report import StepReport

_STEP_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)


class Metrics:
    """Gauges and counters of one training and stage, served on `port`; None or 0: counted, not served."""

    def __init__(self, training: str, stage: str, port: int | None = METRICS_PORT) -> None:
        self.registry = CollectorRegistry()
        names = ("training", "stage")

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"lwm_trainer_{name}", text, names, registry=self.registry).labels(training, stage)

        self._step = gauge("step", "Steps done in this stage")
        self._loss = gauge("loss", "Loss of the last step, nats a token")
        by_modality = Gauge(
            "lwm_trainer_modality_loss",
            "Mean loss of the last step's targets of a modality, nats; NaN where it had none",
            (*names, "modality"),
            registry=self.registry,
        )
        self._modality_loss = partial(by_modality.labels, training, stage)
        validation = Gauge(
            "lwm_trainer_validation_loss",
            "Mean loss of a held-out data set's targets of a modality in the newest validation, nats",
            (*names, "dataset", "modality"),
            registry=self.registry,
        )
        self._validation_loss = partial(validation.labels, training, stage)
        self._grad_norm = gauge("grad_norm", "Norm of the last step's gradient, before clipping")
        self._skipped = Counter(
            "lwm_trainer_skipped_steps", "Steps skipped because their gradient is a spike", names, registry=self.registry
        ).labels(training, stage)
        self._rate = gauge("tokens_per_second", "Tokens a second in the last step, all hosts together")
        self._committed = gauge("committed_step", "Step of the last complete checkpoint")
        tracker_failures = Counter(
            "lwm_trainer_tracker_failures", "Failures to hand committed steps to a tracker", (*names, "tracker"), registry=self.registry
        )
        self._tracker_failures = partial(tracker_failures.labels, training, stage)
        self._tokens = Counter("lwm_trainer_tokens", "Tokens this process's gang has trained on", names, registry=self.registry).labels(
            training, stage
        )
        self._seconds = Histogram(
            "lwm_trainer_step_seconds", "Wall time of a step", names, buckets=_STEP_SECONDS, registry=self.registry
        ).labels(training, stage)
        if port:
            try:
                serve_in_thread(port, MetricsHandler.factory(self.registry))
            except OSError as error:
                console.warn(f"metrics: port {port} cannot be opened ({error}); training continues without metrics")

    def step(self, report: StepReport) -> None:
        """A step is done."""
        self._step.set(report.step)
        self._loss.set(report.loss)
        for modality, loss in report.modality_losses.items():
            self._modality_loss(modality).set(loss)
        self._grad_norm.set(report.grad_norm)
        self._skipped.inc(report.skipped or 0)
        self._rate.set(report.tokens_per_second)
        self._seconds.observe(report.seconds)
        self._tokens.inc(report.batch_tokens)

    def validated(self, losses: Iterable[ValidationLoss]) -> None:
        """A validation is done."""
        for each in losses:
            self._validation_loss(each.dataset, each.modality).set(each.loss)

    def committed(self, step: int) -> None:
        """The checkpoint of `step` is complete."""
        self._committed.set(step)

    def tracker_failed(self, tracker: str) -> None:
        """A tracker did not take committed steps."""
        self._tracker_failures(tracker).inc()
