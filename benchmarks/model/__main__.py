"""`make bench-model`: the model's loss and training step on one CPU device of this machine, beside the usual ways of writing them, and
the conversion of checkpoints, beside what its disk gives and takes.

Prints a table and writes build/benchmarks/model.json.
"""

import sys

from benchmarks.model.conversion import conversions
from benchmarks.model.loss import losses
from benchmarks.model.sizes import FULL, QUICK
from benchmarks.model.step import training_step
from benchmarks.trainer_benchmark import TrainerBenchmark

BENCHMARK = TrainerBenchmark(
    name="model",
    about=__doc__,
    parts={"loss": losses, "step": training_step, "convert": conversions},
    full=FULL,
    quick=QUICK,
    sample="short rows, few rounds: a sample of two minutes",
    longest_minutes=30,
)


if __name__ == "__main__":
    sys.exit(BENCHMARK.main(sys.argv[1:]))
