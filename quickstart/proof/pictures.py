"""The pictures of the proof: needle maps of checkpoints side by side, and the loss of held-out books by position."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_INK = "#22262b"
_COLOURS = ("#3b6fb6", "#d1495b", "#2a9d8f", "#c98a1b", "#8e5ea2", "#4f5d75")
FIRST_POSITION = 8
"""Buckets before it have a handful of tokens."""
_DARK = 0.55
"""Above this score a cell's letters are white."""


def draw_maps(maps: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], path: Path) -> None:
    """Write a PNG: for each title the cells of a suite, lengths from left to right, depths from top to bottom, counts within."""
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.9 * rows), layout="constrained")
    figure.subplots(rows, columns)
    for place, (title, cells) in zip(figure.axes, maps, strict=False):
        lengths, depths = (sorted({cell[name] for cell in cells}) for name in ("length", "depth"))
        scores = [[0.0] * len(lengths) for _ in depths]
        for cell in cells:
            row, column = depths.index(cell["depth"]), lengths.index(cell["length"])
            scores[row][column] = cell["score"]
            color = "white" if cell["score"] > _DARK else _INK
            place.text(column, row, f"{cell['right']}/{cell['questions']}", ha="center", va="center", fontsize=8, color=color)
        place.imshow(scores, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        place.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
        place.set_yticks(range(len(depths)), [f"{100 * depth:.0f} %" for depth in depths])
        place.set_title(title, fontsize=10, color=_INK)
        place.tick_params(labelsize=8, colors=_INK)
    for place in figure.axes[len(maps) :]:
        place.set_visible(False)
    figure.supxlabel("tokens of the text", fontsize=10, color=_INK)
    figure.supylabel("depth of what is asked for", fontsize=10, color=_INK)
    _save(figure, path)


def draw_positions(curves: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], path: Path) -> None:
    """Write a PNG: for each title the mean loss by position with its 95 % interval."""
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    axes = figure.subplots()
    for number, (title, buckets) in enumerate(curves):
        shown = [bucket for bucket in buckets if bucket["first"] >= FIRST_POSITION]
        places = [bucket["last"] + 1 for bucket in shown]
        colour = _COLOURS[number % len(_COLOURS)]
        axes.plot(places, [bucket["loss"] for bucket in shown], "o-", color=colour, label=title, linewidth=1.8, markersize=4)
        axes.fill_between(places, [each["low"] for each in shown], [each["high"] for each in shown], color=colour, alpha=0.1, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, [f"{place:,}" for place in places])
    axes.set_xlabel("position in the document, up to", color=_INK)
    axes.set_ylabel("loss (nats per token)", color=_INK)
    axes.legend(frameon=False, fontsize=9)
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
