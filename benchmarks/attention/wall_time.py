"""Wall time of attention over eight devices of this machine, against the peers; their numbers are compared before their times count."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from benchmarks.attention import peers, timing
from benchmarks.attention.peers import DOT_PRODUCT, RINGATTENTION, put
from benchmarks.attention.rows import Name, Row, number, run
from benchmarks.attention.sizes import Effort
from benchmarks.attention.workload import DEVICES, DOCUMENTS, HEADS, WIDTH, arrays, order, sizes, starts, useful_flops
from devcluster.run import say

LARGEST_DIFFERENCE = 1e-4
"""Of outputs and gradients, in the largest value of the peer's: beyond it a time counts for nothing."""
COMPILATIONS = 2


def walls(effort: Effort) -> Iterator[Row]:
    chunk = best_chunk(effort)
    yield from compiles(effort.sweep_at, chunk)
    for length in effort.lengths:
        for what in DOCUMENTS:
            yield from contests(what, length, RINGATTENTION, chunk, effort)
    for length, what in effort.dense:
        yield from contests(what, length, DOT_PRODUCT, chunk, effort)
    for length in effort.longest:
        for what in ("causal", "packed16"):
            yield from contests(what, length, RINGATTENTION, chunk, effort)


def contests(what: str, length: int, peer: str, chunk: int, effort: Effort) -> Iterator[Row]:
    for backward in (False, True):
        yield contest(Name(what, run(backward), length, peer), chunk, effort)


def best_chunk(effort: Effort) -> int:
    """The peer's best block size here, which it asks its user to find."""
    length = effort.sweep_at
    inputs = [put(x) for x in arrays(length)]
    calls = {str(size): partial(peers.ringattention(length, True, False, size).run, *inputs) for size in effort.sweep}
    done, _ = timing.rounds(calls, effort.budget, most=3)
    taken = {size: min(turn.seconds[str(size)] for turn in done) for size in effort.sweep}
    best = min(taken, key=taken.__getitem__)
    say(f"  {RINGATTENTION}'s chunk size at {length}: {best}, of " + ", ".join(f"{size}: {taken[size]:.2f} s" for size in taken))
    return best


def contest(name: Name, chunk: int, effort: Effort) -> Row:
    """Rounds of ours, the peer and the matrix product."""
    documents = sizes(name.length, DOCUMENTS[name.what])
    flops = useful_flops(documents, HEADS, WIDTH, name.backward)
    places = order(starts(documents), DEVICES)
    calls = {"ours": ours(name, places), "peer": peer(name, chunk)}
    done, given = timing.rounds(calls, effort.budget, least=1 if name.length in effort.longest else 2, most=effort.most)
    mine = (np.asarray(x)[:, np.argsort(places)] for x in given["ours"])
    worst = np.max([difference(a, np.asarray(b)) for a, b in zip(mine, given["peer"], strict=True)])  # NaN when any is
    if not worst <= LARGEST_DIFFERENCE:
        return said(Row(name=str(name), value=None, unit="ms", note=f"VOID: the results differ by {worst:.0e}"))
    theirs = f"{number(1e3 * timing.seconds(done, 'peer'))} ms there ({number(timing.percent_of_limit(done, 'peer', flops))}%)"
    return said(
        Row(
            name=str(name),
            value=1e3 * timing.seconds(done, "ours"),
            unit="ms",
            ratio=timing.ratio(done, "ours", "peer"),
            percent_of_limit=timing.percent_of_limit(done, "ours", flops),
            note=f"{theirs}; rounds: {len(done)}; differs by {worst:.0e}",
        )
    )


def said(row: Row) -> Row:
    say(f"  {row.name}: {number(row.value)} {row.unit}, ratio {number(row.ratio)}, {row.note}")
    return row


def ours(name: Name, places: NDArray[np.int32]) -> Callable[[], Any]:
    """Our call with its arrays in place, in the order of our ring."""
    start = starts(sizes(name.length, DOCUMENTS[name.what]))
    index = np.arange(name.length, dtype=np.int32)
    inputs = [put(x[:, places]) for x in (*arrays(name.length), index[None], start[None])]
    return partial(peers.ours(name.length, name.backward).run, *inputs)


def peer(name: Name, chunk: int) -> Callable[[], Any]:
    """The peer's call with its arrays in place, in the order of the row."""
    documents = DOCUMENTS[name.what]
    start = starts(sizes(name.length, documents))[None]
    inputs = [put(x) for x in arrays(name.length)]
    if name.peer == DOT_PRODUCT:
        return partial(peers.dot_product(name.length, name.backward, documents > 1).run, *inputs, *[put(start)] * (documents > 1))
    segments = jax.device_put(start, NamedSharding(peers.mesh(), PartitionSpec()))  # a document's start is as good an id as any
    return partial(peers.ringattention(name.length, name.backward, documents > 1, chunk).run, *inputs, *[segments] * (documents > 1))


def difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest, in the largest expected value; NaN where anything is."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def compiles(length: int, chunk: int) -> Iterator[Row]:
    """Seconds of tracing, lowering and compiling, the least of a few turns: they do not depend on the length."""
    for backward in (False, True):
        mine, theirs = [], []
        for _ in range(COMPILATIONS):
            mine.append(peers.ours.__wrapped__(length, backward).compile_seconds)
            theirs.append(peers.ringattention.__wrapped__(length, backward, False, chunk).compile_seconds)
        name = Name("compile", run(backward), length, RINGATTENTION)
        yield said(Row(name=str(name), value=min(mine), unit="s", ratio=min(theirs) / min(mine), note=f"least of {COMPILATIONS}"))
