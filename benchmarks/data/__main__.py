"""`make bench-data`: packing and loading of rows beside grain's packers, preparation beside Hugging Face's datasets, and
its memory, on this machine.

Prints a table and writes build/benchmarks/data.json.
"""

import sys

from benchmarks.data.loader import loader
from benchmarks.data.packing import packing
from benchmarks.data.preparation import preparation
from benchmarks.data.preparation_memory import preparation_memory
from benchmarks.data.sizes import FULL, QUICK
from benchmarks.trainer_benchmark import TrainerBenchmark

BENCHMARK = TrainerBenchmark(
    name="data",
    about=__doc__,
    parts={"packing": packing, "loader": loader, "preparation": preparation, "memory": preparation_memory},
    full=FULL,
    quick=QUICK,
    sample="fewer documents, fewer rounds: a sample of one minute",
    longest_minutes=20,
)


if __name__ == "__main__":
    sys.exit(BENCHMARK.main(sys.argv[1:]))
