"""The timeline of a training as a PNG."""

from pathlib import Path

import matplotlib

from lwm_cli.timeline import LOST, STEPS, Timeline

COLORS = {"Complete": "#2a9d55", "Running": "#2980b9", "Failed": "#c0392b", "Suspended": "#d4a017"}
OTHER = "#7f8c8d"


def draw_timeline(shown: Timeline, title: str, file: Path) -> None:
    """One bar for each attempt: pale for what is no step, full for steps that count, hatched for lost ones. Raises OSError."""
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    begin = min(span.started for span in shown.spans)
    unit, name = next(
        (each for each in ((86400, "days"), (3600, "hours"), (60, "minutes")) if shown.seconds >= 2 * each[0]), (1, "seconds")
    )
    figure, axes = plt.subplots(figsize=(9, 1.4 + 0.32 * len(shown.spans)), layout="constrained")
    for row, span in enumerate(shown.spans):
        left = (span.started - begin).total_seconds() / unit
        kept, lost = (span.split[name] / unit for name in (STEPS, LOST))
        other = span.seconds / unit - kept - lost
        color = COLORS.get(span.state, OTHER)
        axes.barh(row, other, left=left, color=color, alpha=0.3)
        axes.barh(row, kept, left=left + other, color=color)
        axes.barh(row, lost, left=left + other + kept, color="white", edgecolor=color, hatch="////")
        axes.annotate(f" {span.reason}", (left + span.seconds / unit, row), va="center", fontsize=8, annotation_clip=False)
    axes.set_yticks(range(len(shown.spans)), [f"{span.stage}, attempt {span.number}" for span in shown.spans])
    axes.invert_yaxis()
    axes.set_xlim(0, shown.seconds / unit * 1.15 or 1)
    axes.set_xlabel(f"{name} since the first attempt; pale: no steps, hatched: steps that were lost")
    axes.set_title(f"{title}: goodput {shown.goodput:.0%}")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=150)
    plt.close(figure)
