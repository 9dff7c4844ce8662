"""`make bench-attention`: attention over eight CPU devices of this machine, against the peers.

Prints a table, writes build/benchmarks/attention.json and draws build/benchmarks/attention.png.
"""

import sys
from collections.abc import Sequence

from benchmarks.attention import external_parts
from benchmarks.attention.documents import documents
from benchmarks.attention.memory import memory
from benchmarks.attention.picture import draw
from benchmarks.attention.sizes import QUICK, WHOLE
from benchmarks.attention.training_step import training_step
from benchmarks.attention.wall_time import walls
from benchmarks.attention.workload import DEVICES
from benchmarks.program import Program, status
from devcluster.paths import REPOSITORY
from devcluster.run import say

PROGRAM = Program(
    name="attention",
    about=__doc__,
    parts={
        "work": external_parts.work,
        "memory": memory,
        "step": training_step,
        "documents": documents,
        "walls": walls,
        "gpu": external_parts.gpu,
    },
    whole=WHOLE,
    quick=QUICK,
    sample="short rows, few rounds: a sample of two minutes",
    longest_minutes=45,
    devices=DEVICES,
)


def main(arguments: Sequence[str]) -> int:
    rows, header = PROGRAM.run(arguments)
    picture = PROGRAM.output.with_suffix(".png")
    if draw(rows, picture, header):
        say(f"drawn in {picture.relative_to(REPOSITORY)}")
    return status(rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
