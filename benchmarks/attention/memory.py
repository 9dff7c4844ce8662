"""Temporary memory of a device against the length of the row, as the compiler gives it: nothing is run."""

from collections.abc import Sequence

import numpy as np

from benchmarks.attention import peers
from benchmarks.attention.peers import RINGATTENTION
from benchmarks.attention.rows import Name, Row, run
from benchmarks.attention.sizes import Effort
from benchmarks.attention.workload import DEVICES
from devcluster.run import say

CHUNK = 256
"""The peer's block size: what it holds hardly depends on it."""


def memory(effort: Effort) -> list[Row]:
    """A row for each length, then the slope of ours over the whole row's tokens and how straight it is."""
    rows, ours = [], []
    for length in effort.compiled:
        mine, theirs = peers.ours(length, True).temp_mib, peers.ringattention(length, True, False, CHUNK).temp_mib
        say(f"  memory at {length}: {mine:.1f} MiB, {RINGATTENTION} {theirs:.1f} MiB")
        ours.append(mine)
        rows.append(Row(name=str(Name("memory", run(True), length, RINGATTENTION)), value=mine, unit="MiB", ratio=theirs / mine))
    slope, deviation = line(effort.compiled, ours)
    span = f"{effort.compiled[0]} to {effort.compiled[-1]}, temporary memory of one device of {DEVICES}"
    return [
        *rows,
        Row(name="memory per 1024 tokens of the row", value=slope * 1024, unit="MiB", note=span),
        Row(name="memory: deviation from a straight line", value=100 * deviation, unit="%", note="the largest, in the value itself"),
    ]


def line(lengths: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """(slope of the line that fits best in relative terms, the largest relative distance from it)."""
    weights = 1 / np.asarray(values)
    slope, begin = np.polyfit(lengths, values, 1, w=weights)
    return float(slope), float(np.abs((np.polyval((slope, begin), lengths) - values) * weights).max())
