"""A picture of the needle suite: lengths from left to right, depths from top to bottom, right and asked in each cell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lwm_trainer.evaluation.needle_suite import Cell

DARK = 0.5
"""Above this share of right answers a cell's letters are white."""


def draw_needle_map(cells: Sequence[Cell], title: str, path: Path) -> None:
    """Write the picture. Needs matplotlib."""
    from matplotlib.figure import Figure

    lengths, depths = (sorted({cell[field] for cell in cells}) for field in (0, 1))
    shares = np.full((len(depths), len(lengths)), np.nan)
    for cell in cells:
        shares[depths.index(cell.depth), lengths.index(int(cell.length))] = cell.correct / cell.questions
    figure = Figure(figsize=(2.2 + 0.8 * len(lengths), 1.6 + 0.42 * len(depths)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    for cell in cells:
        share = cell.correct / cell.questions
        place = lengths.index(int(cell.length)), depths.index(cell.depth)
        axes.text(
            *place, f"{cell.correct}/{cell.questions}", ha="center", va="center", fontsize=8, color="white" if share > DARK else "black"
        )
    axes.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths], rotation=45, ha="right")
    axes.set_yticks(range(len(depths)), [f"{100 * depth:.0f} %" for depth in depths])
    axes.set_xlabel("tokens of prompt and answer")
    axes.set_ylabel("depth of the needle")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="share of right answers")
    figure.savefig(path, dpi=110)
