"""Wall time of attention over eight devices of this machine, against the peers; their numbers are compared before their times count."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from benchmarks import timing
from benchmarks.attention import peers
from benchmarks.attention.peers import DOT_PRODUCT, RINGATTENTION, put
from benchmarks.attention.sizes import Sizes
from benchmarks.attention.workload import DEVICES, DOCUMENTS, HEADS, WIDTH, arrays, document_lengths, order, starts, useful_flops
from benchmarks.measurements import Measurement, MeasurementName, number, run
from devcluster.run import say

LARGEST_DIFFERENCE = 1e-4
"""Largest difference of outputs and gradients, relative to the peer's largest value: beyond it a time is void."""
COMPILATIONS = 2


def wall_times(sizes: Sizes) -> Iterator[Measurement]:
    chunk = best_chunk(sizes)
    yield from compiles(sizes.sweep_at, chunk)
    for length in sizes.lengths:
        for what in DOCUMENTS:
            yield from contests(what, length, RINGATTENTION, chunk, sizes)
    for length, what in sizes.dense:
        yield from contests(what, length, DOT_PRODUCT, chunk, sizes)
    for length in sizes.longest:
        for what in ("causal", "packed16"):
            yield from contests(what, length, RINGATTENTION, chunk, sizes)


def contests(what: str, length: int, peer: str, chunk: int, sizes: Sizes) -> Iterator[Measurement]:
    for backward in (False, True):
        yield contest(MeasurementName(what, run(backward), length, peer), chunk, sizes)


def best_chunk(sizes: Sizes) -> int:
    """The peer's best block size on this machine; its documentation leaves the choice to the user."""
    length = sizes.sweep_at
    inputs = [put(x) for x in arrays(length)]
    calls = {str(size): partial(peers.ringattention(length, True, False, size).run, *inputs) for size in sizes.sweep}
    rounds, _ = timing.rounds(calls, sizes.budget, most=3)
    seconds = {size: min(turn.seconds[str(size)] for turn in rounds) for size in sizes.sweep}
    best = min(seconds, key=seconds.__getitem__)
    say(f"  {RINGATTENTION}'s chunk size at {length}: {best}, of " + ", ".join(f"{size}: {seconds[size]:.2f} s" for size in seconds))
    return best


def contest(name: MeasurementName, chunk: int, sizes: Sizes) -> Measurement:
    """Rounds of ours, the peer and the matrix product."""
    documents = document_lengths(name.length, DOCUMENTS[name.what])
    flops = useful_flops(documents, HEADS, WIDTH, name.backward)
    places = order(starts(documents), DEVICES)
    calls = {"ours": ours(name, places), "peer": peer(name, chunk)}
    rounds, outputs = timing.rounds(calls, sizes.budget, least=1 if name.length in sizes.longest else 2, most=sizes.most)
    mine = (np.asarray(x)[:, np.argsort(places)] for x in outputs["ours"])
    worst = np.max([difference(a, np.asarray(b)) for a, b in zip(mine, outputs["peer"], strict=True)])  # NaN when any is
    if not worst <= LARGEST_DIFFERENCE:
        return reported(Measurement(name=str(name), value=None, unit="ms", note=f"VOID: the results differ by {worst:.0e}"))
    theirs = f"{number(1e3 * timing.seconds(rounds, 'peer'))} ms with the peer ({number(timing.percent_of_limit(rounds, 'peer', flops))}%)"
    return reported(
        Measurement(
            name=str(name),
            value=1e3 * timing.seconds(rounds, "ours"),
            unit="ms",
            ratio=timing.ratio(rounds, "ours", "peer"),
            percent_of_limit=timing.percent_of_limit(rounds, "ours", flops),
            note=f"{theirs}; rounds: {len(rounds)}; differs by {worst:.0e}",
        )
    )


def reported(measurement: Measurement) -> Measurement:
    figures = f"{number(measurement.value)} {measurement.unit}, ratio {number(measurement.ratio)}"
    say(f"  {measurement.name}: {figures}, {measurement.note}")
    return measurement


def ours(name: MeasurementName, places: NDArray[np.int32]) -> Callable[[], Any]:
    """Our call with its arrays in place, in the order of our ring."""
    start = starts(document_lengths(name.length, DOCUMENTS[name.what]))
    index = np.arange(name.length, dtype=np.int32)
    inputs = [put(x[:, places]) for x in (*arrays(name.length), index[None], start[None])]
    return partial(peers.ours(name.length, name.backward).run, *inputs)


def peer(name: MeasurementName, chunk: int) -> Callable[[], Any]:
    """The peer's call with its arrays in place, in the order of the row."""
    documents = DOCUMENTS[name.what]
    start = starts(document_lengths(name.length, documents))[None]
    inputs = [put(x) for x in arrays(name.length)]
    if name.peer == DOT_PRODUCT:
        return partial(peers.dot_product(name.length, name.backward, documents > 1).run, *inputs, *[put(start)] * (documents > 1))
    segments = jax.device_put(start, NamedSharding(peers.mesh(), PartitionSpec()))  # a document's start is as good an id as any
    return partial(peers.ringattention(name.length, name.backward, documents > 1, chunk).run, *inputs, *[segments] * (documents > 1))


def difference(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference, relative to the largest expected value; NaN where either array has a NaN."""
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def compiles(length: int, chunk: int) -> Iterator[Measurement]:
    """Seconds of tracing, lowering and compiling, the least of a few turns: they do not depend on the length."""
    for backward in (False, True):
        mine, theirs = [], []
        for _ in range(COMPILATIONS):
            mine.append(peers.ours.__wrapped__(length, backward).compile_seconds)
            theirs.append(peers.ringattention.__wrapped__(length, backward, False, chunk).compile_seconds)
        name = MeasurementName("compile", run(backward), length, RINGATTENTION)
        ratio = min(theirs) / min(mine)
        yield reported(Measurement(name=str(name), value=min(mine), unit="s", ratio=ratio, note=f"least of {COMPILATIONS}"))
