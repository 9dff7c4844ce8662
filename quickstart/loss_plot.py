"""Picture of the loss over the stages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from quickstart.results import StageRecord

_COLOURS = ("#3b6fb6", "#2a9d8f", "#d1495b", "#8e5ea2", "#c98a1b", "#4f5d75")
_INK, _QUIET = "#22262b", "#8b929a"


def draw(stages: Sequence[StageRecord], entropy: float, path: Path, title: str = "") -> None:
    """Writes a PNG: each step's loss thin, its mean over a few steps thick, over all stages; `entropy` (nats per token) as a level line."""
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = figure.subplots()
    highest = max(entropy, *(float(stage.losses.max()) for stage in stages))
    lowest = min(float(stage.losses.min()) for stage in stages)
    span = max(highest - lowest, 0.1)
    label_steps = max(1, round(0.06 * sum(len(stage.losses) for stage in stages)))
    begin = 0
    for number, stage in enumerate(stages):
        colour = _COLOURS[number % len(_COLOURS)]
        steps = np.arange(begin + 1, begin + len(stage.losses) + 1)
        end = begin + len(stage.losses)
        axes.axvspan(begin + 0.5, end + 0.5, color=colour, alpha=0.06, linewidth=0)
        axes.plot(steps, stage.losses, color=colour, linewidth=1.0, alpha=0.45, zorder=3)
        axes.plot(steps, smooth(stage.losses), color=colour, linewidth=2.4, solid_capstyle="round", zorder=3)
        axes.plot(steps[[0, -1]], stage.losses[[0, -1]], "o", color=colour, markersize=7, markeredgecolor="white", zorder=4)
        for place, align in ((0, "left"), (-1, "right")):
            height, above = label_position(stage.losses[:: 1 if place == 0 else -1][:label_steps])
            axes.annotate(
                f"{stage.losses[place]:.2f}",
                (steps[place], height),
                xytext=(4 if place == 0 else -4, 9 if above else -19),
                textcoords="offset points",
                ha=align,
                color=colour,
                fontsize=10,
                fontweight="bold",
                path_effects=[withStroke(linewidth=3, foreground="white")],
                zorder=5,
            )
        label = f"{stage.name}\n{stage.context_length:,} tokens of context\nθ = {stage.rope_theta:,.0f}"
        axes.text((begin + end + 1) / 2, highest + 0.24 * span, label, ha="center", va="top", color=colour, fontsize=10.5, linespacing=1.4)
        begin = end
    axes.axhline(entropy, color=_INK, linewidth=1.2, linestyle=(0, (5, 4)), zorder=2)
    axes.annotate(
        f"{entropy:.2f}: the unigram entropy, all that counting tokens can give",
        (begin + 0.5, entropy),
        xytext=(-8, 5),
        textcoords="offset points",
        ha="right",
        color=_INK,
        fontsize=9.5,
    )
    axes.set(xlim=(0.5, begin + 0.5), ylim=(lowest - 0.12 * span, highest + 0.28 * span))
    axes.set_xlabel("step, over all stages", color=_INK)
    axes.set_ylabel("loss (nats per token)", color=_INK)
    axes.set_title(title, loc="left", color=_INK, fontsize=13, fontweight="bold", pad=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_QUIET)
    axes.tick_params(colors=_INK)
    axes.grid(axis="y", color=_QUIET, alpha=0.25, linewidth=0.8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def label_position(losses: NDArray[np.float32]) -> tuple[float, bool]:
    """Loss at which to put the label of the first of these losses, and whether it goes above: clear of the curve, on the nearer side."""
    drawn = np.concatenate([losses, smooth(losses)])
    highest, lowest = float(drawn.max()), float(drawn.min())
    above = highest - float(losses[0]) <= float(losses[0]) - lowest
    return (highest, True) if above else (lowest, False)


def smooth(losses: NDArray[np.float32], window: int = 7) -> NDArray[np.float64]:
    """The mean over `window` steps around each, over fewer at the ends: a step sees few documents, so that its loss jumps."""
    weights = np.ones(min(window, len(losses)) // 2 * 2 + 1)
    padded, counts = (np.convolve(values, weights, "full") for values in (losses, np.ones(len(losses))))
    middle = slice(len(weights) // 2, len(weights) // 2 + len(losses))
    return np.asarray(padded[middle] / counts[middle], np.float64)
