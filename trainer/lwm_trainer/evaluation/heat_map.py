"""A picture of a suite: lengths from left to right, depths or variants from top to bottom, counts in each cell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lwm_trainer.evaluation.results import Cell

DARK = 0.5
"""Above this score a cell's letters are white."""


def draw_heat_map(cells: Sequence[Cell], title: str, path: Path) -> None:
    """Write the picture. Needs matplotlib."""
    from matplotlib.figure import Figure

    lengths = sorted({cell.length for cell in cells})
    rows = list(dict.fromkeys(_row(cell) for cell in cells))
    scores = np.full((len(rows), len(lengths)), np.nan)
    for cell in cells:
        scores[rows.index(_row(cell)), lengths.index(cell.length)] = cell.score
    widest = max(map(len, rows))
    figure = Figure(figsize=(2.2 + 0.08 * widest + 0.8 * len(lengths), 1.6 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(scores, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for cell in cells:
        place = lengths.index(cell.length), rows.index(_row(cell))
        color = "white" if cell.score > DARK else "black"
        axes.text(*place, cell.right_of_asked, ha="center", va="center", fontsize=8, color=color)
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths], rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("tokens of prompt and answer")
    if any(cell.depth is not None for cell in cells):
        axes.set_ylabel("depth of what is asked for")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="mean score")
    figure.savefig(path, dpi=110)


def _row(cell: Cell) -> str:
    depth = [] if cell.depth is None else [f"{100 * cell.depth:.0f} %"]
    return " ".join([cell.variant, *depth] if cell.variant else depth) or "all"
