"""Measurements of the trainer's benchmarks: as a table, as JSON, and by the parts of their names.

A name like `packed16 fwd+bwd 8192 vs ringattention` says the row's documents, the pass, its tokens and the peer.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

_NAME = re.compile(r"(?P<what>\S+) (?P<run>fwd|fwd\+bwd) (?P<length>\d+) vs (?P<peer>.+)")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure of ours, beside a peer's and beside the most that the machine can do."""

    name: str
    value: float | None
    """None where it could not be measured or counts for nothing: `note` says why."""
    unit: str
    ratio: float | None = None
    """How many times better than the peer, whatever the unit: above 1 ours is faster, smaller, more."""
    percent_of_limit: float | None = None
    """Useful FLOP/s as a share of a plain matrix product's in the same minute; of what moves bytes, a plain copy's time over its own."""
    note: str = ""


class MeasurementName(NamedTuple):
    """The parts of a row's name."""

    what: str
    """`causal`, `packed4`, ...: the documents of a row; or `memory`, `compile`."""
    run: str
    """`fwd` or `fwd+bwd`."""
    length: int
    """Tokens of the whole row."""
    peer: str

    @property
    def backward(self) -> bool:
        return self.run == run(backward=True)

    def __str__(self) -> str:
        return f"{self.what} {self.run} {self.length} vs {self.peer}"


def parts(name: str) -> MeasurementName | None:
    """The inverse of `str(MeasurementName(...))`; None for a row with another kind of name."""
    match = _NAME.fullmatch(name)
    return MeasurementName(match["what"], match["run"], int(match["length"]), match["peer"]) if match else None


def run(backward: bool) -> str:
    return "fwd+bwd" if backward else "fwd"


def table(rows: Sequence[Measurement]) -> str:
    """One line per measurement."""
    width = max([24, *(len(row.name) for row in rows)])
    lines = [f"{'':<{width}} {'value':>9} {'unit':<9} {'ratio':>6} {'% limit':>7}  (ratio: times better than the peer)"]
    for row in rows:
        value = "NONE" if row.value is None else number(row.value)
        figures = f"{value:>9} {row.unit:<9} {number(row.ratio):>6} {number(row.percent_of_limit):>7}"
        lines.append(f"{row.name:<{width}} {figures}  {row.note}".rstrip())
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three significant digits, or an empty string."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(rows: Sequence[Measurement], circumstances: dict[str, Any], path: Path) -> None:
    """`circumstances` (device, load) stand beside the rows: without them no figure means anything."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**circumstances, "rows": [asdict(row) for row in rows]}, indent=1) + "\n")


def read(path: Path) -> list[Measurement]:
    return [Measurement(**row) for row in json.loads(path.read_text())["rows"]]
