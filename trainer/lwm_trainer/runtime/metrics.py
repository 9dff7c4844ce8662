"""What process 0 shows of its steps: Prometheus metrics over HTTP, and one line a step on standard output."""

import json
import math
import sys
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from lwm_trainer.config import METRICS_PORT, STEP_LINE_PREFIX

_STEP_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0)


class Metrics:
    """Gauges and counters of one training and stage, served on `port` (None or 0: counted, not served)."""

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
        self._loss_of = partial(by_modality.labels, training, stage)
        self._grad_norm = gauge("grad_norm", "Norm of the last step's gradient, before clipping")
        self._rate = gauge("tokens_per_second", "Tokens a second in the last step, all hosts together")
        self._committed = gauge("committed_step", "Step of the last complete checkpoint")
        self._tokens = Counter("lwm_trainer_tokens", "Tokens this process's gang has trained on", names, registry=self.registry).labels(
            training, stage
        )
        self._seconds = Histogram(
            "lwm_trainer_step_seconds", "Wall time of a step", names, buckets=_STEP_SECONDS, registry=self.registry
        ).labels(training, stage)
        if port:
            try:
                start_http_server(port, registry=self.registry)
            except OSError as error:
                print(f"metrics: port {port} is not to be had ({error}); training goes on without", file=sys.stderr, flush=True)

    def step(
        self,
        step: int,
        loss: float,
        grad_norm: float,
        tokens_per_second: float,
        step_seconds: float,
        tokens: int,
        losses: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """`step` steps are done, the last of them with `tokens` tokens in its global batch. `losses`: by modality."""
        self._step.set(step)
        self._loss.set(loss)
        for modality, value in losses.items():
            self._loss_of(modality).set(value)
        self._grad_norm.set(grad_norm)
        self._rate.set(tokens_per_second)
        self._seconds.observe(step_seconds)
        self._tokens.inc(tokens)

    def committed(self, step: int) -> None:
        """The checkpoint of `step` is complete."""
        self._committed.set(step)


def step_line(
    step: int,
    loss: float,
    grad_norm: float,
    tokens_per_second: float,
    step_seconds: float,
    tokens_seen: int,
    losses: Mapping[str, float] = MappingProxyType({}),
) -> None:
    """Prints the step as one line, the prefix and JSON; a number that is not finite becomes null. `losses`: by modality, as textLoss.

    Gloo prints to the same stream from native code, so the whole line goes out in one write; look for the prefix anywhere in a line.
    """
    record = {
        "step": step,
        "loss": loss,
        **{f"{modality}Loss": value for modality, value in losses.items()},
        "gradNorm": grad_norm,
        "tokensPerSecond": tokens_per_second,
        "stepSeconds": step_seconds,
        "tokensSeen": tokens_seen,
    }
    finite = {name: value if math.isfinite(value) else None for name, value in record.items()}
    sys.stdout.write(f"{STEP_LINE_PREFIX}{json.dumps(finite)}\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Prints lines for people, in one write, too."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
