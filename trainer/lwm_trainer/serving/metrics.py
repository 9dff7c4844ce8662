"""What Prometheus reads at `/metrics`. Names and labels have nothing of a request's content."""

import time
from collections import Counter as TallyCounter
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lwm_trainer.sampling.piece import Piece, Usage

FIRST_TOKEN_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800)
TOKEN_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class ServingMetrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "lwm_serve_requests", "Requests by route and status of the answer.", ["route", "status"], registry=self.registry
        )
        ends = "Answers by how they ended; unfinished: their client left, or something failed."
        self.answers = Counter("lwm_serve_answers", ends, ["end"], registry=self.registry)
        self.tokens = Counter(
            "lwm_serve_tokens", "Tokens of prompts, those of them that the cache held, and of answers.", ["kind"], registry=self.registry
        )
        steps = "Steps of answers after their first: an answer gets a token of each, or more where guesses of what follows are right."
        self.steps = Counter("lwm_serve_steps", steps, registry=self.registry)
        self.first_token = Histogram(
            "lwm_serve_time_to_first_token_seconds",
            "From a request's arrival in the queue to its first token.",
            buckets=FIRST_TOKEN_BUCKETS,
            registry=self.registry,
        )
        self.token = Histogram(
            "lwm_serve_time_per_token_seconds", "From one token of an answer to the next.", buckets=TOKEN_BUCKETS, registry=self.registry
        )
        self.running = Gauge("lwm_serve_running_requests", "Requests that are being answered.", registry=self.registry)
        self._queue = Gauge("lwm_serve_queue_length", "Requests that wait.", registry=self.registry)
        self._cache = Gauge("lwm_serve_cache_use_ratio", "Share of the cache that holds tokens.", registry=self.registry)

    def watch(self, queue: Callable[[], float], cache: Callable[[], float]) -> None:
        """Read these two whenever somebody asks for the metrics."""
        self._queue.set_function(queue)
        self._cache.set_function(cache)

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self.registry)


class JobMetrics:
    """What the answers of one request add."""

    def __init__(self, metrics: ServingMetrics, arrival: float, answers: int) -> None:
        """`arrival`: when the request came, by `time.monotonic`. `answers`: those that it gets."""
        self._metrics, self._arrival, self._unfinished = metrics, arrival, answers
        self._former: dict[int, float] = {}
        self._began = False

    def step(self, pieces: Sequence[Piece], prompt: Usage) -> None:
        """Some of the answers have got their next tokens; `prompt` is that of the first answer."""
        now, tokens = time.monotonic(), self._metrics.tokens
        if not self._began:
            self._began = True
            self._metrics.first_token.observe(now - self._arrival)
            tokens.labels("prompt").inc(prompt.prompt)
            tokens.labels("cached").inc(prompt.cached)
        tokens.labels("answer").inc(len(pieces))
        for number, count in TallyCounter(piece.request for piece in pieces).items():
            if number in self._former:
                self._metrics.steps.inc()
                for _ in range(count):
                    self._metrics.token.observe((now - self._former[number]) / count)
            self._former[number] = now
        for piece in pieces:
            if piece.reason is not None:
                self._metrics.answers.labels(piece.reason).inc()
                self._unfinished -= 1

    def end(self) -> None:
        """Nothing follows."""
        self._metrics.answers.labels("unfinished").inc(self._unfinished)
