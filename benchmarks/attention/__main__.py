"""`make bench-attention`: attention over eight CPU devices of this machine, against the peers.

Prints a table, writes build/benchmarks/attention.json and draws build/benchmarks/attention.png.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence

import jax

from benchmarks.attention import elsewhere, timing
from benchmarks.attention.documents import documents
from benchmarks.attention.effort import QUICK, WHOLE, Effort
from benchmarks.attention.memory import memory
from benchmarks.attention.picture import draw
from benchmarks.attention.rows import Row, number, table, write
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
    busy = os.getloadavg()[0]
    rows = list(collect(PARTS, parts, QUICK if options.quick else WHOLE, broken))
    circumstances = {"device": timing.device(), "load": timing.load(busy)}
    print(header(**circumstances))
    print(table(rows))
    write(rows, circumstances, OUTPUT)
    say(f"written to {OUTPUT.relative_to(REPOSITORY)}")
    if draw(rows, OUTPUT.with_suffix(".png"), header(**circumstances)):
        say(f"drawn in {OUTPUT.with_suffix('.png').relative_to(REPOSITORY)}")
    return 1 if any(row.value is None for row in rows) else 0


def broken(part: str, why: str) -> Row:
    return Row(name=part, value=None, unit="", note=why)


def header(device: dict[str, object], load: dict[str, float]) -> str:
    """One line without which no figure below means anything."""
    text = f"{device['count']} {device['kind']} devices on {device['cores']} cores, jax {device['jax']}"
    text += f"; load {load['average_at_start']:.1f} at the start, {load['average_at_end']:.1f} at the end"
    if "gemm_gflops" in load:
        least, median, most = (number(load[f"gemm_gflops{suffix}"]) for suffix in ("_least", "", "_most"))
        text += f"; the limit, a float32 matrix product: {median} GFLOP/s ({least} to {most})"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
