"""Many random histories: `python -m simulation.soak`. Fails when an invariant is violated or coverage is too low."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from simulation.coverage import COUNT, LEAST, missing, table
from simulation.histories import HistoryError, run

BATCH = 250


def batch(first: int, count: int) -> tuple[Counter[str], str | None]:
    """Run so many histories from one seed on; return their coverage, and the first violation of an invariant."""
    reached: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            reached.update(run(seed))
        except HistoryError as error:
            return reached, str(error)
    return reached, None


def main() -> int:
    parser = argparse.ArgumentParser(description="Random histories of the reconciler in a simulated cluster.")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    start, reached, done = time.monotonic(), Counter[str](), 0
    firsts = range(options.seed, options.seed + options.count, BATCH)
    sizes = [min(BATCH, options.seed + options.count - first) for first in firsts]
    with ProcessPoolExecutor(options.processes) as pool:
        for size, (covered, violation) in zip(sizes, pool.map(batch, firsts, sizes), strict=True):
            reached.update(covered)
            done += size
            if violation is not None:
                print(violation, flush=True)
                pool.shutdown(cancel_futures=True)
                return 1
            if done == options.count or done // BATCH % 4 == 0:
                print(f"{done} of {options.count} histories, {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
    print(table(reached))
    seldom = missing(reached, LEAST * min(options.count, COUNT) // COUNT)
    if seldom:
        print(f"reached too seldom: {seldom}")
    return 1 if seldom else 0


if __name__ == "__main__":
    sys.exit(main())
