"""`make bench-attention`: attention over eight CPU devices of this machine, against the peers.

Prints a table, writes build/benchmarks/attention.json and draws build/benchmarks/attention.png.
"""

import sys
from collections.abc import Sequence

from benchmarks.attention import external_parts
from benchmarks.attention.documents import documents
from benchmarks.attention.memory import memory
from benchmarks.attention.plot import draw
from benchmarks.attention.sizes import FULL, QUICK
from benchmarks.attention.training_step import training_step
from benchmarks.attention.wall_time import wall_times
from benchmarks.attention.workload import DEVICES
from benchmarks.trainer_benchmark import TrainerBenchmark, status
from devcluster.paths import REPOSITORY
from devcluster.run import say

BENCHMARK = TrainerBenchmark(
    name="attention",
    about=__doc__,
    parts={
        "work": external_parts.work,
        "memory": memory,
        "step": training_step,
        "documents": documents,
        "walls": wall_times,
        "gpu": external_parts.gpu,
    },
    full=FULL,
    quick=QUICK,
    sample="short rows, few rounds: a sample of two minutes",
    longest_minutes=45,
    devices=DEVICES,
)


def main(arguments: Sequence[str]) -> int:
    rows, header = BENCHMARK.run(arguments)
    picture = BENCHMARK.output.with_suffix(".png")
    if draw(rows, picture, header):
        say(f"drawn in {picture.relative_to(REPOSITORY)}")
    return status(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
