"""A row of one length, cut into documents of one length: time should be quadratic within documents only."""

from functools import partial

import numpy as np

from benchmarks import timing
from benchmarks.attention import peers
from benchmarks.attention.sizes import Sizes
from benchmarks.attention.workload import DEVICES, HEADS, WIDTH, arrays, order, starts, useful_flops
from benchmarks.measurements import Measurement, number
from devcluster.run import say

SMALLEST_SHARE = 16
"""The shortest documents are this fraction of the row, as a divisor."""


def documents(sizes: Sizes) -> list[Measurement]:
    """Time per useful FLOP of each document length, the ratio to that of one document."""
    length = sizes.documents_of
    cuts = [length // share for share in (1, 2, 4, 8, SMALLEST_SHARE)]
    index = np.arange(length, dtype=np.int32)[None]
    program, calls, flops = peers.ours(length, True), {}, {}
    for size in cuts:
        start = starts([size] * (length // size))
        places = order(start, DEVICES)
        inputs = [peers.put(x[:, places]) for x in (*arrays(length), index, start[None])]
        calls[str(size)] = partial(program.run, *inputs)
        flops[size] = useful_flops([size] * (length // size), HEADS, WIDTH, True)
    rounds, _ = timing.rounds(calls, sizes.budget, most=sizes.most)
    rows = []
    for size in cuts:
        row = Measurement(
            name=f"documents of {size} in {length} fwd+bwd vs one document",
            value=1e12 * timing.seconds(rounds, str(size)) / flops[size],
            unit="ps/FLOP",
            ratio=timing.ratio(rounds, str(size), str(length)) * flops[size] / flops[length],
            percent_of_limit=timing.percent_of_limit(rounds, str(size), flops[size]),
            note=f"{number(1e3 * timing.seconds(rounds, str(size)))} ms; rounds: {len(rounds)}",
        )
        say(f"  {row.name}: {number(row.value)} {row.unit}, {row.note}")
        rows.append(row)
    return rows
