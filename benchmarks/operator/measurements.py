"""Measurements of the operator benchmark, beside a peer and an aim; as a table and as JSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class OperatorMeasurement:
    """One figure. `peer` is what another way of doing the same takes, in the same unit; `aim` the most it should be."""

    name: str
    value: float | None
    """None where it could not be measured: `note` says why."""
    unit: str
    peer: float | None = None
    aim: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the peer's: below 1 is better than the peer."""
        return self.value / self.peer if self.value is not None and self.peer else None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "NOT MEASURED"
        if self.aim is None:
            return ""
        return "ok" if self.value <= self.aim else "MISSED"

    def document(self) -> dict[str, object]:
        return asdict(self) | {"ratio": self.ratio}


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that at least `share` (0 to 1) of them do not exceed: of few values, 0.95 is the largest."""
    if not values:
        raise ValueError("no values: nothing was measured")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def table(rows: Sequence[OperatorMeasurement]) -> str:
    """One line per measurement, the notes below."""
    lines = [f"{'':<52} {'value':>10} {'peer':>10} {'ratio':>7} {'aim':>8}  unit"]
    for row in rows:
        figures = [number(row.value), number(row.peer), number(row.ratio), number(row.aim)]
        lines.append(f"{row.name:<52} {figures[0]:>10} {figures[1]:>10} {figures[2]:>7} {figures[3]:>8}  {row.unit} {row.verdict}".rstrip())
    lines += [f"  {row.name}: {row.note}" for row in rows if row.note]
    return "\n".join(lines)


def number(value: float | None) -> str:
    """Three significant digits, or an empty string."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write(rows: Sequence[OperatorMeasurement], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row.document() for row in rows], indent=1) + "\n")
