"""A picture of fits: memory by kind against what the chip has, and below it the seconds of a step, shared out among its phases."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.fit import Fit

SMALLEST = 0.03
"""Of a bar: a phase or kind that is nowhere more than this is drawn as part of `other`."""


def draw(fits: Sequence[tuple[str, Fit]], path: Path) -> bool:
    """Write the picture, one column a family in the order they come in; whether there was anything to draw. Needs matplotlib.

    Args:
        fits: each with the words under its bar. What was refused, or is for a device whose memory or speed is not known, has no bar.
    """
    bars = [(label, found, *parts) for label, found in fits if (parts := _parts(found)) is not None]
    if not bars:
        return False
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(found.target.family for _, found, *_ in bars))
    kinds, phases = grouped([each for *_, each, _ in bars]), grouped([each for *_, each in bars])
    wide = [max(2, sum(found.target.family == family for _, found, *_ in bars)) for family in families]
    figure = Figure(figsize=(3 + 0.4 * sum(wide), 8), layout="constrained")
    axes = figure.subplots(2, len(families), squeeze=False, sharex="col", width_ratios=wide)
    for index, family in enumerate(families):
        own = [at for at, (_, found, *_) in enumerate(bars) if found.target.family == family]
        above, below = axes[0, index], axes[1, index]
        labels = [bars[at][0] for at in own]
        _bars(above, labels, [kinds[at] for at in own], [f"{sum(kinds[at].values()):.1f}" for at in own])
        seconds = [sum(phases[at].values()) for at in own]
        shares = [{name: 100 * part / whole for name, part in phases[at].items()} for at, whole in zip(own, seconds, strict=True)]
        _bars(below, labels, shares, [f"{whole:.3g} s" for whole in seconds])
        limit = bars[own[0]][1].target.available_bytes or 0
        above.axhline(limit / GIB, color="black", linestyle="--", linewidth=1, label="HBM for a program")
        above.set_ylim(0, 1.08 * max(limit / GIB, *(sum(kinds[at].values()) for at in own)))
        above.set_title(family)
        below.set_ylim(0, 112)
        below.tick_params(axis="x", rotation=90)
    axes[0, 0].set_ylabel("GiB of HBM, fullest device")
    axes[1, 0].set_ylabel("% of a step's seconds, estimated")
    for row in axes:
        row[-1].legend(*row[-1].get_legend_handles_labels(), loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize="small", reverse=True)
    figure.savefig(path, dpi=110)
    return True


def grouped(bars: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Every bar with the same parts in the same order: those that are large in any bar, then `other`, the rest, if there is one."""
    names = list(dict.fromkeys(name for bar in bars for name in bar))
    large = [name for name in names if name != "other" and any(bar.get(name, 0) > SMALLEST * sum(bar.values()) for bar in bars)]
    found = []
    for bar in bars:
        parts = {name: bar.get(name, 0.0) for name in large}
        found.append(parts | {"other": sum(count for name, count in bar.items() if name not in parts)})
    return found if any(bar["other"] > 0 for bar in found) else [{name: bar[name] for name in large} for bar in found]


def _parts(found: Fit) -> tuple[dict[str, float], dict[str, float]] | None:
    """GiB by kind, seconds by phase."""
    memory, available, estimate = found.measured.memory, found.target.available_bytes, found.estimate
    if memory is None or available is None or estimate is None:
        return None
    kinds = {kind: getattr(memory, kind) / GIB for kind in ("parameters", "optimizer", "batch", "temporaries")}
    return kinds, {phase.name: phase.seconds for phase in estimate.phases}


def _bars(axes: Any, labels: Sequence[str], bars: Sequence[Mapping[str, float]], above: Sequence[str]) -> None:
    bottom = [0.0] * len(bars)
    for index, name in enumerate(bars[0]):
        heights = [bar[name] for bar in bars]
        axes.bar(range(len(bars)), heights, bottom=bottom, color=f"C{index}", label=name, width=0.8)
        bottom = [below + height for below, height in zip(bottom, heights, strict=True)]
    for place, (height, text) in enumerate(zip(bottom, above, strict=True)):
        axes.annotate(text, (place, height), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7)
    axes.set_xticks(range(len(bars)), labels)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
