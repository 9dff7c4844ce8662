"""`make bench-model`: the model's loss and training step on one CPU device of this machine, beside the usual ways of writing them, and
the conversion of checkpoints, beside what its disk gives and takes.

Prints a table and writes build/benchmarks/model.json.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

import jax

from benchmarks.attention import report
from benchmarks.attention.rows import Row
from benchmarks.model.conversion import conversions
from benchmarks.model.effort import QUICK, WHOLE, Effort
from benchmarks.model.loss import losses
from benchmarks.model.step import training_step
from benchmarks.parts import chosen, collect, limit
from cluster.paths import REPOSITORY

OUTPUT = REPOSITORY / "build" / "benchmarks" / "model.json"
LONGEST_MINUTES = 30

PARTS: dict[str, Callable[[Effort], Iterable[Row]]] = {"loss": losses, "step": training_step, "convert": conversions}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-model", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rows, few rounds: a sample of two minutes")
    options, parts = chosen(parser, PARTS, arguments)
    jax.config.update("jax_platforms", "cpu")
    limit(LONGEST_MINUTES, "--parts or --quick")
    busy = report.busy()
    rows = list(collect(PARTS, parts, QUICK if options.quick else WHOLE, report.broken))
    report.tell(rows, busy, OUTPUT)
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
