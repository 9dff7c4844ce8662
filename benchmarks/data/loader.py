"""Tokens a second of batches from token arrays in memory, on one thread."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.attention import timing
from benchmarks.attention.rows import Row
from benchmarks.data import peers
from benchmarks.data.corpus import CONTEXT, ROWS, corpus, run
from benchmarks.data.sizes import Effort
from lwm_trainer.data.rows.loader import Batches

OURS = "ours"


def loader(effort: Effort) -> Iterable[Row]:
    documents, numbers = corpus(effort.packed), effort.batches
    made = Batches(run(), {"d": documents})
    streams: dict[str, Iterator[Any]] = {OURS: (made.batch(step) for step in range(10**9))}
    streams |= {f"grain {packer}": peers.batches(documents, packer) for packer in peers.PACKERS}
    for stream in streams.values():
        next(stream)  # its first plan, its first bins

    def turn(stream: Iterator[Any]) -> Callable[[], None]:
        def call() -> None:
            for _ in range(numbers):
                next(stream)

        return call

    done, _ = timing.rounds({name: turn(stream) for name, stream in streams.items()}, effort.budget)
    places = numbers * ROWS * CONTEXT
    for name in streams:
        yield Row(
            name=f"loader, {name}",
            value=places / timing.seconds(done, name) / 1e6,
            unit="Mtoken/s",
            ratio=None if name == OURS else timing.ratio(done, OURS, name),
            note="tokens, targets, positions, ranges, weights" if name == OURS else "tokens, segments, positions",
        )
