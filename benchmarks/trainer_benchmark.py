"""Common part of the trainer's benchmarks: chosen parts are measured within a time limit, then printed as a table and written as JSON."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import jax

from benchmarks import report
from benchmarks.measurements import Measurement
from benchmarks.parts import chosen, collect, limit
from devcluster.paths import REPOSITORY

Sizes = TypeVar("Sizes")


@dataclass(frozen=True, kw_only=True)
class TrainerBenchmark(Generic[Sizes]):
    """A benchmark that `make bench-NAME` runs, or `command`."""

    name: str
    about: str | None
    parts: Mapping[str, Callable[[Sizes], Iterable[Measurement]]]
    full: Sizes
    quick: Sizes
    sample: str
    """What `--quick` measures."""
    longest_minutes: int
    devices: int = 1
    """CPU devices into which JAX divides this machine."""
    command: str | None = None

    @property
    def output(self) -> Path:
        return REPOSITORY / "build" / "benchmarks" / f"{self.name}.json"

    def run(self, arguments: Sequence[str]) -> tuple[list[Measurement], str]:
        """The rows, printed and written, and their header."""
        parser = argparse.ArgumentParser(prog=self.command or f"make bench-{self.name}", description=self.about)
        parser.add_argument("--quick", action="store_true", help=self.sample)
        options, parts = chosen(parser, self.parts, arguments)
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", self.devices)
        limit(self.longest_minutes, "--parts or --quick")
        busy = report.busy()
        rows = list(collect(self.parts, parts, self.quick if options.quick else self.full, report.broken))
        return rows, report.finish(rows, busy, self.output)

    def main(self, arguments: Sequence[str]) -> int:
        """Run it. Returns the exit status."""
        rows, _ = self.run(arguments)
        return status(rows)


def status(rows: Iterable[Measurement]) -> int:
    """The exit status: 1 when a part broke."""
    return 1 if any(row.value is None for row in rows) else 0
