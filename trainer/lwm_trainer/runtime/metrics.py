"""Prometheus metrics of process 0, served over HTTP."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
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
        self._param_norm = gauge("param_norm", "Norm of the parameters after the last step")
        self._fill = gauge("fill_ratio", "Share of the last step's positions that are no padding")
        mfu = Gauge(
            "lwm_trainer_mfu_ratio",
            "Model FLOPs utilization of the last step: with attention over whole rows (model), or without attention (parameters)",
            (*names, "definition"),
            registry=self.registry,
        )
        self._mfu = partial(mfu.labels, training, stage)
        memory = Gauge(
            "lwm_trainer_device_memory_bytes",
            "Memory of the device of host 0 that uses most: in use, the most so far (peak), what may be used (limit)",
            (*names, "kind"),
            registry=self.registry,
        )
        self._memory = partial(memory.labels, training, stage)
        self._data_wait = gauge("data_wait_seconds", "How long the devices waited for the last step's batch")
        self._save_seconds = gauge("save_seconds", "How long training waited for the last save")
        self._commit_seconds = gauge("commit_seconds", "From the beginning of the last save to its commit, to within a step")
        seconds = Counter(
            "lwm_trainer_spent_seconds",
            "Seconds of this attempt's host 0 by what it did; training: steps, without data_wait",
            (*names, "activity"),
            registry=self.registry,
        )
        self._spent_seconds, self._spent = partial(seconds.labels, training, stage), dict[str, float]()
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
        self._param_norm.set(report.param_norm)
        self._fill.set(report.fill)
        for definition, share in report.mfu.items():
            self._mfu(definition).set(share)
        if report.memory is not None:
            for kind, count in asdict(report.memory).items():
                self._memory(kind).set(count)
        self._data_wait.set(report.data_wait_seconds)
        self._skipped.inc(report.skipped or 0)
        self._rate.set(report.tokens_per_second)
        self._seconds.observe(report.seconds)
        self._tokens.inc(report.batch_tokens)

    def validated(self, losses: Iterable[ValidationLoss]) -> None:
        """A validation is done."""
        for each in losses:
            self._validation_loss(each.dataset, each.modality).set(each.loss)

    def spent(self, seconds: Mapping[str, float]) -> None:
        """How the time since the process began was spent, by the fields of `TimeSpent`."""
        for activity, total in seconds.items():
            self._spent_seconds(activity).inc(max(0.0, total - self._spent.get(activity, 0.0)))
        self._spent = dict(seconds)

    def saved(self, seconds: float) -> None:
        """Training has waited `seconds` for a save."""
        self._save_seconds.set(seconds)

    def committed(self, step: int, seconds: float) -> None:
        """The checkpoint of `step` is complete, `seconds` after its save began."""
        self._committed.set(step)
        self._commit_seconds.set(seconds)

    def tracker_failed(self, tracker: str) -> None:
        """A tracker did not take committed steps."""
        self._tracker_failures(tracker).inc()
