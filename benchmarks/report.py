"""End of a trainer benchmark: the table on the screen, the measurements as JSON."""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks import timing
from benchmarks.measurements import Measurement, number, table, write
from devcluster.paths import REPOSITORY
from devcluster.run import say


def broken(part: str, why: str) -> Measurement:
    return Measurement(name=part, value=None, unit="", note=why)


def busy() -> float:
    """Load average of the machine, to be read before anything is measured."""
    return os.getloadavg()[0]


def finish(rows: Sequence[Measurement], busy_at_start: float, output: Path) -> str:
    """Print the table, write `output`, and return the header, without which no figure means anything."""
    circumstances = {"device": timing.device(), "load": timing.load(busy_at_start)}
    first = header(**circumstances)
    print(first)
    print(table(rows))
    write(rows, circumstances, output)
    say(f"written to {output.relative_to(REPOSITORY)}")
    return first


def header(device: dict[str, object], load: dict[str, float]) -> str:
    """One line: devices, load, and what a plain matrix product got meanwhile."""
    text = f"{device['count']} {device['kind']} devices on {device['cores']} cores, jax {device['jax']}"
    text += f"; load {load['average_at_start']:.1f} at the start, {load['average_at_end']:.1f} at the end"
    if "gemm_gflops" in load:
        least, median, most = (number(load[f"gemm_gflops{suffix}"]) for suffix in ("_least", "", "_most"))
        text += f"; the limit, a float32 matrix product: {median} GFLOP/s ({least} to {most})"
    return text
