"""The parts that stand in modules of their own with one function, `rows() -> Sequence[Row]`: `work` needs no device, `gpu` needs a GPU."""

import importlib
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.attention.effort import Effort
from benchmarks.attention.rows import Row
from cluster.run import say

GPU = Path("/dev/nvidiactl")


def work(_: Effort) -> Sequence[Row]:
    """Work done and work needed, and its balance over the ranks: counted, not timed."""
    return rows_of("work")


def gpu(_: Effort) -> Sequence[Row]:
    """In a process of its own: this one has told JAX that there are eight CPU devices and nothing else."""
    if not GPU.exists():
        say("  no GPU here")
        return []
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(rows_of, "gpu").result()


def rows_of(module: str) -> Sequence[Row]:
    rows: Sequence[Row] = importlib.import_module(f"benchmarks.attention.{module}").rows()
    return rows
