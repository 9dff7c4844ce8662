"""`make bench-data`: packing and loading of rows beside grain's packers, preparation beside Hugging Face's datasets, on this machine.

Prints a table and writes build/benchmarks/data.json.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence

import jax

from benchmarks.attention import report
from benchmarks.attention.rows import Row
from benchmarks.data.effort import QUICK, WHOLE, Effort
from benchmarks.data.loader import loader
from benchmarks.data.packing import packing
from benchmarks.data.preparation import preparation
from benchmarks.parts import chosen, collect, limit
from cluster.paths import REPOSITORY

OUTPUT = REPOSITORY / "build" / "benchmarks" / "data.json"
LONGEST_MINUTES = 20

PARTS: dict[str, Callable[[Effort], Iterable[Row]]] = {"packing": packing, "loader": loader, "preparation": preparation}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make bench-data", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer documents, fewer rounds: a sample of one minute")
    options, parts = chosen(parser, PARTS, arguments)
    jax.config.update("jax_platforms", "cpu")
    limit(LONGEST_MINUTES, "--parts or --quick")
    busy = report.busy()
    rows = list(collect(PARTS, parts, QUICK if options.quick else WHOLE, report.broken))
    report.tell(rows, busy, OUTPUT)
    return 1 if any(row.value is None for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
