"""A picture of a suite as SVG: lengths from left to right, depths or variants from top to bottom, counts in each cell."""

from collections.abc import Sequence
from html import escape

from lwm_trainer.evaluation.results import Cell

HEAT_MAP = "heat_map.svg"

DARK = 0.5
"""Above this score a cell's letters are white."""
WHITE, BLUE = (247, 251, 255), (8, 48, 107)
"""Red, green and blue of the scores 0 and 1."""
WIDTH, HEIGHT, LETTER, SMALL_LETTER = 76, 30, 7.2, 5.2
"""Size of a cell, and the width of a letter of the names beside it and of the legend."""
TOP, BOTTOM, MARGIN = 40, 62, 14


def draw_heat_map(cells: Sequence[Cell], title: str) -> str:
    """The picture, which needs nothing beside it."""
    lengths = sorted({cell.length for cell in cells})
    rows = list(dict.fromkeys(_row(cell) for cell in cells))
    left = MARGIN + LETTER * max(map(len, rows)) + 10
    legend = "right answers of questions; darker is a higher mean score" + (", rows are depths" if cells[0].depth is not None else "")
    width = max(left + WIDTH * len(lengths), LETTER * len(title), SMALL_LETTER * len(legend)) + 2 * MARGIN
    height = TOP + HEIGHT * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(MARGIN, 24, title, size=14, anchor="start"),
    ]
    parts += [_text(left - 8, _middle(number), row, anchor="end") for number, row in enumerate(rows)]
    for cell in cells:
        x, y = left + WIDTH * lengths.index(cell.length), TOP + HEIGHT * rows.index(_row(cell))
        tip = f"mean score {100 * cell.score:.0f} %, 95 % interval {100 * cell.low:.0f} to {100 * cell.high:.0f} %"
        parts += [
            f'<g><title>{tip}</title><rect x="{x:.1f}" y="{y}" width="{WIDTH}" height="{HEIGHT}" fill="{_color(cell.score)}"'
            ' stroke="#c0c4cc"/>',
            _text(x + WIDTH / 2, y + HEIGHT / 2 + 4, cell.right_of_asked, color="white" if cell.score > DARK else "black") + "</g>",
        ]
    below = TOP + HEIGHT * len(rows)
    parts += [_text(left + WIDTH * (number + 0.5), below + 18, f"{length:,}") for number, length in enumerate(lengths)]
    parts.append(_text(left, below + 36, "tokens of prompt and answer", anchor="start"))
    parts.append(_text(MARGIN, below + 54, legend, anchor="start", size=10))
    return "\n".join([*parts, "</svg>", ""])


def _row(cell: Cell) -> str:
    depth = [] if cell.depth is None else [f"{100 * cell.depth:.0f} %"]
    return " ".join([cell.variant, *depth] if cell.variant else depth) or "all"


def _middle(row: int) -> float:
    return TOP + HEIGHT * (row + 0.5) + 4


def _color(score: float) -> str:
    return "#" + "".join(f"{round(low + score * (high - low)):02x}" for low, high in zip(WHITE, BLUE, strict=True))


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle", color: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{color}">{escape(text)}</text>'
