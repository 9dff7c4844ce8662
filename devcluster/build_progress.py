"""Progress of one `go build` over many packages: the share of the work that is done, and the time that is left."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TextIO

LISTING = '{{.ImportPath}}{{"\\t"}}{{.Dir}}{{"\\t"}}{{join .GoFiles " "}}{{"\\t"}}{{.Stale}}'
"""Template for `go list -deps -f`. Stale packages are the ones that Go's build cache does not have."""

LINK_BYTES = 1_000_000
"""Linking one program takes about as long as compiling this many bytes of source."""


def source_bytes(listing: str) -> dict[str, int]:
    """Bytes of Go source by import path, for each package of a listing in the format of LISTING that must be compiled."""
    sizes = {}
    for line in listing.splitlines():
        package, folder, files, stale = line.split("\t")
        if stale == "true":
            sizes[package] = sum((Path(folder) / file).stat().st_size for file in files.split())
    return sizes


class BuildProgress:
    """The work of a build, weighed by bytes of source: a large package takes longer than a small one."""

    def __init__(self, sizes: Mapping[str, int], programs: int) -> None:
        self._sizes = dict(sizes)
        self._total = sum(sizes.values()) + programs * LINK_BYTES
        self._compiled = 0
        self.packages = len(sizes)
        self.linked = 0

    def read(self, line: str) -> bool:
        """Take a line that `go build -v` printed; False where it does not name one of the packages."""
        size = self._sizes.pop(line, None)
        self._compiled += size or 0
        return size is not None

    def fraction(self) -> float:
        """The share of the work that is done, 0 to 1."""
        return min(1.0, (self._compiled + self.linked * LINK_BYTES) / self._total) if self._total else 1.0

    def text(self, elapsed: float) -> str:
        """For example `43 %, 5:12 min so far, about 6:53 min left`; `elapsed` is in seconds."""
        fraction = self.fraction()
        parts = [f"{int(fraction * 100)} %", f"{minutes(elapsed)} so far"]
        if fraction > 0.01:  # the first packages say too little
            parts.append(f"about {minutes(elapsed * (1 - fraction) / fraction)} left")
        return ", ".join(parts)


class ProgressLine:
    """One line that is redrawn on a terminal; elsewhere a line each time that the milestone grows."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._redraws = out.isatty() and os.environ.get("TERM") != "dumb"
        self._milestone = -1

    def show(self, text: str, milestone: int) -> None:
        if self._redraws:
            self._out.write(f"\r\x1b[2K{text}")
        elif milestone > self._milestone:
            self._out.write(f"{text}\n")
        self._milestone = max(milestone, self._milestone)
        self._out.flush()

    def end(self) -> None:
        """Leave the line as it is and go on below it."""
        if self._redraws and self._milestone >= 0:
            self._out.write("\n")
            self._out.flush()


def minutes(seconds: float) -> str:
    """For example `3:07 min`."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d} min"


def linked_programs(folder: Path, names: Collection[str]) -> int:
    """How many of the programs `go build -o folder/` has written already."""
    return sum((folder / name).exists() for name in names)
