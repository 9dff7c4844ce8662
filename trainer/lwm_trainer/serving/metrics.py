"""What Prometheus reads at `/metrics`. Names and labels have nothing of a request's content."""

import time
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lwm_trainer.sampling.generator import Piece, Usage

FIRST_TOKEN_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800)
TOKEN_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class ServingMetrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "lwm_serve_requests", "Requests by route and status of the answer.", ["route", "status"], registry=self._registry
        )
        ends = "Answers by how they ended; unfinished: their client left, or something failed."
        self.answers = Counter("lwm_serve_answers", ends, ["end"], registry=self._registry)
        self.tokens = Counter(
            "lwm_serve_tokens", "Tokens of prompts, those of them that the cache held, and of answers.", ["kind"], registry=self._registry
        )
        self.first_token = Histogram(
            "lwm_serve_time_to_first_token_seconds",
            "From a request's arrival in the queue to its first token.",
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self._registry,
        )
        self.token = Histogram(
            "lwm_serve_time_per_token_seconds", "From one step of a batch to the next.", buckets=TOKEN_BUCKETS, registry=self._registry
        )
        self.running = Gauge("lwm_serve_running_requests", "Requests that are being answered.", registry=self._registry)
        self._queue = Gauge("lwm_serve_queue_length", "Requests that wait.", registry=self._registry)
        self._cache = Gauge("lwm_serve_cache_use_ratio", "Share of the cache that holds tokens.", registry=self._registry)

    def watch(self, queue: Callable[[], float], cache: Callable[[], float]) -> None:
        """Read these two whenever somebody asks for the metrics."""
        self._queue.set_function(queue)
        self._cache.set_function(cache)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self._registry)


class BatchMetrics:
    """What the answers of one batch add."""

    def __init__(self, metrics: ServingMetrics, arrivals: Sequence[float], answers: int) -> None:
        """`arrivals`: when the requests came whose first answers are in this batch, by `time.monotonic`. `answers`: those of the batch."""
        self._metrics, self._arrivals, self._unfinished = metrics, arrivals, answers
        self._former: float | None = None

    def step(self, pieces: Sequence[Piece], prompts: Sequence[Usage]) -> None:
        """A step of the batch has ended; `prompts` are those of the requests in `arrivals`."""
        now, tokens = time.monotonic(), self._metrics.tokens
        if self._former is None:
            for arrival, prompt in zip(self._arrivals, prompts, strict=True):
                self._metrics.first_token.observe(now - arrival)
                tokens.labels("prompt").inc(prompt.prompt)
                tokens.labels("cached").inc(prompt.cached)
        else:
            self._metrics.token.observe(now - self._former)
        self._former = now
        tokens.labels("answer").inc(len(pieces))
        for piece in pieces:
            if piece.reason is not None:
                self._metrics.answers.labels(piece.reason).inc()
                self._unfinished -= 1

    def end(self) -> None:
        """No step follows."""
        self._metrics.answers.labels("unfinished").inc(self._unfinished)
