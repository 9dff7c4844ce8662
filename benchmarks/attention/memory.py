"""Temporary memory of a device against the length of the row, as the compiler gives it: nothing is run."""

from collections.abc import Sequence

import numpy as np

from benchmarks.attention import peers
from benchmarks.attention.peers import RINGATTENTION
from benchmarks.attention.sizes import Sizes
from benchmarks.attention.workload import DEVICES
from benchmarks.measurements import Measurement, MeasurementName, run
from devcluster.run import say

CHUNK = 256
"""The peer's block size: its memory hardly depends on it."""


def memory(sizes: Sizes) -> list[Measurement]:
    """A measurement for each length, then the slope of ours over the row's tokens and its deviation from a straight line."""
    rows, ours = [], []
    for length in sizes.compiled:
        mine, theirs = peers.ours(length, True).temp_mib, peers.ringattention(length, True, False, CHUNK).temp_mib
        say(f"  memory at {length}: {mine:.1f} MiB, {RINGATTENTION} {theirs:.1f} MiB")
        ours.append(mine)
        rows.append(
            Measurement(name=str(MeasurementName("memory", run(True), length, RINGATTENTION)), value=mine, unit="MiB", ratio=theirs / mine)
        )
    slope, deviation = line(sizes.compiled, ours)
    span = f"{sizes.compiled[0]} to {sizes.compiled[-1]}, temporary memory of one device of {DEVICES}"
    return [
        *rows,
        Measurement(name="memory per 1024 tokens of the row", value=slope * 1024, unit="MiB", note=span),
        Measurement(name="memory: deviation from a straight line", value=100 * deviation, unit="%", note="largest, relative"),
    ]


def line(lengths: Sequence[int], values: Sequence[float]) -> tuple[float, float]:
    """(slope of the line that fits best in relative terms, the largest relative distance from it)."""
    weights = 1 / np.asarray(values)
    slope, begin = np.polyfit(lengths, values, 1, w=weights)
    return float(slope), float(np.abs((np.polyval((slope, begin), lengths) - values) * weights).max())
