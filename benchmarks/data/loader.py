"""Tokens per second of batches from token arrays in memory, on one thread."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks import timing
from benchmarks.data import peers
from benchmarks.data.corpus import CONTEXT, ROWS, corpus, run
from benchmarks.data.sizes import Sizes
from benchmarks.measurements import Measurement
from lwm_trainer.data.rows.loader import Batches

OURS = "ours"


def loader(sizes: Sizes) -> Iterable[Measurement]:
    documents, numbers = corpus(sizes.packed), sizes.batches
    ours = Batches(run(), {"d": documents})
    streams: dict[str, Iterator[Any]] = {OURS: (ours.batch(step) for step in range(10**9))}
    streams |= {f"grain {packer}": peers.batches(documents, packer) for packer in peers.PACKERS}
    for stream in streams.values():
        next(stream)  # its first plan, its first bins

    def turn(stream: Iterator[Any]) -> Callable[[], None]:
        def call() -> None:
            for _ in range(numbers):
                next(stream)

        return call

    rounds, _ = timing.rounds({name: turn(stream) for name, stream in streams.items()}, sizes.budget)
    places = numbers * ROWS * CONTEXT
    for name in streams:
        yield Measurement(
            name=f"loader, {name}",
            value=places / timing.seconds(rounds, name) / 1e6,
            unit="Mtoken/s",
            ratio=None if name == OURS else timing.ratio(rounds, OURS, name),
            note="tokens, targets, positions, ranges, weights" if name == OURS else "tokens, segments, positions",
        )
