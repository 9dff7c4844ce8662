"""A plot of fits: memory by kind against the HBM of the chip, and below it the share of each phase in the step time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.fit import FitResult

SMALLEST = 0.03
"""A phase or kind that is at most this share of every bar is drawn as part of `other`."""


def plot_fits(fits: Sequence[tuple[str, FitResult]], path: Path) -> bool:
    """Write the plot, one column per family in their order of appearance; returns whether there was anything to plot. Needs matplotlib.

    Args:
        fits: pairs of the label of a bar and a fit. A fit that was refused, or whose memory or speed is not known, has no bar.
    """
    bars = [(label, fit, *parts) for label, fit in fits if (parts := _parts(fit)) is not None]
    if not bars:
        return False
    from matplotlib.figure import Figure

    families = list(dict.fromkeys(fit.target.family for _, fit, *_ in bars))
    kinds, phases = group_parts([by_kind for *_, by_kind, _ in bars]), group_parts([by_phase for *_, by_phase in bars])
    widths = [max(2, sum(fit.target.family == family for _, fit, *_ in bars)) for family in families]
    figure = Figure(figsize=(3 + 0.4 * sum(widths), 8), layout="constrained")
    axes = figure.subplots(2, len(families), squeeze=False, sharex="col", width_ratios=widths)
    for index, family in enumerate(families):
        own = [at for at, (_, fit, *_) in enumerate(bars) if fit.target.family == family]
        above, below = axes[0, index], axes[1, index]
        labels = [bars[at][0] for at in own]
        _bars(above, labels, [kinds[at] for at in own], [f"{sum(kinds[at].values()):.1f}" for at in own])
        seconds = [sum(phases[at].values()) for at in own]
        shares = [{name: 100 * part / total for name, part in phases[at].items()} for at, total in zip(own, seconds, strict=True)]
        _bars(below, labels, shares, [f"{total:.3g} s" for total in seconds])
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


def group_parts(bars: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """Give every bar the same parts in the same order: those that are large in any bar, then the rest as `other`, if there is any."""
    names = list(dict.fromkeys(name for bar in bars for name in bar))
    large = [name for name in names if name != "other" and any(bar.get(name, 0) > SMALLEST * sum(bar.values()) for bar in bars)]
    grouped = []
    for bar in bars:
        parts = {name: bar.get(name, 0.0) for name in large}
        grouped.append(parts | {"other": sum(count for name, count in bar.items() if name not in parts)})
    return grouped if any(bar["other"] > 0 for bar in grouped) else [{name: bar[name] for name in large} for bar in grouped]


def _parts(fit: FitResult) -> tuple[dict[str, float], dict[str, float]] | None:
    """GiB by kind and seconds by phase; None when one of them is not known."""
    memory, available, estimate = fit.compiled.memory, fit.target.available_bytes, fit.estimate
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
