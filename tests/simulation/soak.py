"""Many random histories: `python -m simulation.soak --count 5000`. Fails at a broken promise, or when something was reached too seldom."""

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from simulation.coverage import COUNT, LEAST, missing, table
from simulation.histories import HistoryError, run

BATCH = 250


def batch(first: int, count: int) -> tuple[Counter[str], str | None]:
    """So many histories from one seed on: what they reached, and the first that broke a promise."""
    reached: Counter[str] = Counter()
    for seed in range(first, first + count):
        try:
            reached.update(run(seed))
        except HistoryError as error:
            return reached, str(error)
    return reached, None


def main() -> int:
    parser = argparse.ArgumentParser(description="Random histories of the plan in a pretend cluster.")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    start, reached, done = time.monotonic(), Counter[str](), 0
    firsts = range(asked.seed, asked.seed + asked.count, BATCH)
    sizes = [min(BATCH, asked.seed + asked.count - first) for first in firsts]
    with ProcessPoolExecutor(asked.processes) as pool:
        for size, (found, broken) in zip(sizes, pool.map(batch, firsts, sizes), strict=True):
            reached.update(found)
            done += size
            if broken is not None:
                print(broken, flush=True)
                pool.shutdown(cancel_futures=True)
                return 1
            if done == asked.count or done // BATCH % 4 == 0:
                print(f"{done} of {asked.count} histories, {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
    print(table(reached))
    seldom = missing(reached, LEAST * min(asked.count, COUNT) // COUNT)
    if seldom:
        print(f"reached too seldom: {seldom}")
    return 1 if seldom else 0


if __name__ == "__main__":
    sys.exit(main())
