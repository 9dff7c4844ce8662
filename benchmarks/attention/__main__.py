"""`make bench-attention`: attention over eight CPU devices of this machine, against the peers.

Prints a table, writes build/benchmarks/attention.json and draws build/benchmarks/attention.png.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

import jax

from benchmarks.attention import elsewhere, report
from benchmarks.attention.documents import documents
from benchmarks.attention.effort import QUICK, WHOLE, Effort
from benchmarks.attention.memory import memory
from benchmarks.attention.picture import draw
from benchmarks.attention.rows import Row
from benchmarks.attention.training_step import training_step
from benchmarks.attention.walls import walls
from benchmarks.attention.workload import DEVICES
from benchmarks.parts import chosen, collect, limit
from cluster.paths import REPOSITORY
from cluster.run import say

OUTPUT = REPOSITORY / "build" / "benchmarks" / "attention.json"
LONGEST_MINUTES = 45

PARTS: dict[str, Callable[[Effort], Iterable[Row]]] = {
    "work": elsewhere.work,
    "memory": memory,
    "step": training_step,
    "documents": documents,
    "walls": walls,
    "gpu": elsewhere.gpu,
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-attention", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rows, few rounds: a sample of two minutes")
    options, parts = chosen(parser, PARTS, arguments)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", DEVICES)
    limit(LONGEST_MINUTES, "--parts or --quick")
    busy = report.busy()
    rows = list(collect(PARTS, parts, QUICK if options.quick else WHOLE, report.broken))
    header = report.tell(rows, busy, OUTPUT)
    if draw(rows, OUTPUT.with_suffix(".png"), header):
        say(f"drawn in {OUTPUT.with_suffix('.png').relative_to(REPOSITORY)}")
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
