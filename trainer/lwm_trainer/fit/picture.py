"""A picture of fits: memory by kind against what the chip has, and below it the seconds of a step by phase."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwm_trainer.fit.records import Fit
from lwm_trainer.fit.target import GIB

SMALLEST = 0.01
"""Of a bar: a phase or kind that is nowhere more than this is drawn as part of `other`."""


def draw(fits: Sequence[Fit], path: Path) -> None:
    """Write the picture, one column a family in the order they come in. Needs matplotlib. Raises ValueError without a fit."""
    if not fits:
        raise ValueError("fits: none to draw: give at least one")
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(fit.family for fit in fits))
    columns = [[fit for fit in fits if fit.family == family] for family in families]
    figure = Figure(figsize=(3 + 0.5 * len(fits), 9), layout="constrained")
    axes = figure.subplots(2, len(columns), squeeze=False, sharex="col", width_ratios=[max(2, len(column)) for column in columns])
    kinds = grouped([{kind: count / GIB for kind, count in fit.memory.items()} for fit in fits])
    phases = grouped([fit.seconds for fit in fits])
    for index, (family, column) in enumerate(zip(families, columns, strict=True)):
        own = [fits.index(fit) for fit in column]
        above, below = axes[0, index], axes[1, index]
        labels = [fit.label for fit in column]
        _bars(above, labels, [kinds[at] for at in own])
        _bars(below, labels, [phases[at] for at in own])
        for place, fit in enumerate(column):
            label = "HBM of a chip" if place == 0 else None
            above.hlines(fit.limit / GIB, place - 0.45, place + 0.45, color="black", linestyle="--", label=label)
        above.set_title(family)
        below.tick_params(axis="x", rotation=90)
    axes[0, 0].set_ylabel("GiB of HBM, fullest device")
    axes[1, 0].set_ylabel("seconds of a step, estimated")
    for row in axes:
        row[-1].legend(*row[-1].get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize="small", reverse=True)
    figure.savefig(path, dpi=110)


def grouped(bars: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Every bar with the same parts in the same order: those that are large in any bar, then `other`, the rest, if there is one."""
    names = list(dict.fromkeys(name for bar in bars for name in bar))
    large = [name for name in names if name != "other" and any(bar.get(name, 0) > SMALLEST * sum(bar.values()) for bar in bars)]
    found = []
    for bar in bars:
        parts = {name: bar.get(name, 0.0) for name in large}
        found.append(parts | {"other": sum(count for name, count in bar.items() if name not in parts)})
    return found if any(bar["other"] > 0 for bar in found) else [{name: bar[name] for name in large} for bar in found]


def _bars(axes: Any, labels: Sequence[str], bars: Sequence[Mapping[str, float]]) -> None:
    bottom = [0.0] * len(bars)
    for index, name in enumerate(bars[0]):
        heights = [bar[name] for bar in bars]
        axes.bar(range(len(bars)), heights, bottom=bottom, color=f"C{index}", label=name, width=0.8)
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    axes.set_xticks(range(len(bars)), labels)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
