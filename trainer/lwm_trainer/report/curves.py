"""Curves as SVG: coordinates for the page's template, which colors them by the reader's theme."""

import math
from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 14, 34
MOST_POINTS = 600
"""Points of a curve; of more steps each point is the mean of several, and the curve says of how many."""


class Series(NamedTuple):
    """A part of a curve."""

    name: str
    points: str
    """The `points` of an SVG polyline."""
    label_x: float
    """Where its name stands."""


class Tick(NamedTuple):
    place: float
    text: str


class Curve(NamedTuple):
    """A drawn curve. Places are in the units of the SVG's view box."""

    series: tuple[Series, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    bands: tuple[str, ...]
    """The `points` of an SVG polygon for each interval."""
    x_label: str
    y_label: str
    note: str


def loss_curve(stages: Sequence[tuple[str, Sequence[float]]]) -> Curve | None:
    """The losses of the stages one after the other, by step; None where no stage has a finite loss."""
    drawn: list[tuple[str, list[tuple[float, float]]]] = []
    begin = 0
    size = max(1, math.ceil(sum(len(losses) for _, losses in stages) / MOST_POINTS))
    for name, losses in stages:
        means = [
            (begin + first + (len(part) + 1) / 2, math.fsum(part) / len(part))
            for first in range(0, len(losses), size)
            if (part := [loss for loss in losses[first : first + size] if math.isfinite(loss)])
        ]
        if means:
            drawn.append((name, means))
        begin += len(losses)
    note = f"Each point is the mean of {size} steps." if size > 1 else ""
    return _curve(drawn, [], "step, over all stages", "loss, nats per token", note, log=False) if drawn else None


def position_curve(points: Sequence[tuple[float, float, float, float]]) -> Curve | None:
    """The loss by position, on a logarithmic axis: position, loss, and the ends of its interval. None without points."""
    if not points:
        return None
    band = [(x, low) for x, _, low, _ in points] + [(x, high) for x, _, _, high in reversed(points)]
    return _curve([("", [(x, loss) for x, loss, _, _ in points])], [band], "position in the document", "loss, nats per token", "", log=True)


def _curve(
    drawn: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    bands: Sequence[Sequence[tuple[float, float]]],
    x_label: str,
    y_label: str,
    note: str,
    *,
    log: bool,
) -> Curve:
    everything = [point for _, points in drawn for point in points] + [point for band in bands for point in band]
    low_x, high_x = min(x for x, _ in everything), max(x for x, _ in everything)
    y_values = nice_ticks(min(y for _, y in everything), max(y for _, y in everything))
    low_y, high_y = y_values[0], y_values[-1]

    def place_x(x: float) -> float:
        low, high, value = (math.log2(low_x), math.log2(high_x), math.log2(x)) if log else (low_x, high_x, x)
        return round(LEFT + (WIDTH - LEFT - RIGHT) * ((value - low) / (high - low) if high > low else 0.5), 1)

    def place_y(y: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high_y - y) / (high_y - low_y), 1)

    def joined(points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{place_x(x)},{place_y(y)}" for x, y in points)

    powers = [2.0**power for power in range(math.ceil(math.log2(low_x)), math.floor(math.log2(high_x)) + 1)] if log else []
    x_values = powers[:: max(1, math.ceil(len(powers) / 9))] if log else [x for x in nice_ticks(low_x, high_x) if low_x <= x <= high_x]
    return Curve(
        series=tuple(Series(name, joined(points), place_x((points[0][0] + points[-1][0]) / 2)) for name, points in drawn),
        x_ticks=tuple(Tick(place_x(x), f"{x:,.0f}" if x >= 10 or x == int(x) else f"{x:g}") for x in x_values),
        y_ticks=tuple(Tick(place_y(y), f"{y:g}") for y in y_values),
        bands=tuple(map(joined, bands)),
        x_label=x_label,
        y_label=y_label,
        note=note,
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Four to ten round numbers that span from `low` to `high`."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    raw = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if raw <= unit * factor)
    first, last = math.floor(low / step), math.ceil(high / step)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(number * step, digits) for number in range(first, last + 1)]
