"""What the benchmarks of the trainer do alike: parts chosen and measured within a time limit, a table, and the rows as JSON."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import jax

from benchmarks.attention import report
from benchmarks.attention.rows import Row
from benchmarks.parts import chosen, collect, limit
from devcluster.paths import REPOSITORY

Effort = TypeVar("Effort")


@dataclass(frozen=True, kw_only=True)
class Program(Generic[Effort]):
    """A benchmark that `make bench-NAME` runs."""

    name: str
    about: str | None
    parts: Mapping[str, Callable[[Effort], Iterable[Row]]]
    whole: Effort
    quick: Effort
    sample: str
    """What `--quick` measures."""
    longest_minutes: int
    devices: int = 1
    """Of this machine's CPU."""

    @property
    def output(self) -> Path:
        return REPOSITORY / "build" / "benchmarks" / f"{self.name}.json"

    def run(self, arguments: Sequence[str]) -> tuple[list[Row], str]:
        """The rows, printed and written, and their header."""
        parser = argparse.ArgumentParser(prog=f"make bench-{self.name}", description=self.about)
        parser.add_argument("--quick", action="store_true", help=self.sample)
        options, parts = chosen(parser, self.parts, arguments)
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", self.devices)
        limit(self.longest_minutes, "--parts or --quick")
        busy = report.busy()
        rows = list(collect(self.parts, parts, self.quick if options.quick else self.whole, report.broken))
        return rows, report.tell(rows, busy, self.output)


def status(rows: Iterable[Row]) -> int:
    """The exit status: 1 when a part broke."""
    return 1 if any(row.value is None for row in rows) else 0
