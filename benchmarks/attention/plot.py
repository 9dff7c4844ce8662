"""Picture of the measurements: time and memory against length, and the ratio to the peer."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from benchmarks.attention.peers import DOT_PRODUCT, RINGATTENTION
from benchmarks.attention.workload import DOCUMENTS
from benchmarks.measurements import Measurement, MeasurementName, parts

_OURS, _PEER, _DENSE = "#3b6fb6", "#d1495b", "#8b929a"
_SHADES = {"causal": "#9db8dc", "packed4": "#6690c9", "packed16": "#2b5691"}
_INK, _QUIET = "#22262b", "#8b929a"
_WORDS = {"causal": "one document", "packed4": "4 documents", "packed16": "16 documents"}

Measurements = dict[MeasurementName, Measurement]


def draw(rows: Sequence[Measurement], path: Path, title: str) -> bool:
    """Writes a PNG of three panels; nothing, and False, when no row was measured against ringattention."""
    measurements = {name: row for row in rows if (name := parts(row.name)) and row.value is not None and row.ratio}
    if not any(name.peer == RINGATTENTION and name.what in DOCUMENTS for name in measurements):
        return False
    figure = Figure(figsize=(16, 5.8), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
    times, memory, ratios = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
    _times(times, measurements)
    _memory(memory, measurements)
    _ratios(ratios, measurements)
    for axes in (times, memory, ratios):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_QUIET)
        axes.tick_params(colors=_INK, labelsize=10)
        axes.grid(axis="y", color=_QUIET, alpha=0.25, linewidth=0.8)
        axes.set_axisbelow(True)
    figure.suptitle("Attention, forward and backward, against its peers", x=0.008, ha="left", color=_INK, fontsize=14, fontweight="bold")
    figure.supxlabel(title, x=0.008, ha="left", color=_QUIET, fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    return True


def _line(measurements: Measurements, what: str, peer: str, *, theirs: bool) -> list[tuple[int, float]]:
    """(length, our value or the peer's) of the forward and backward rows."""
    chosen = [(name.length, row) for name, row in measurements.items() if (name.what, name.peer) == (what, peer) and name.backward]
    values = [(length, (row.value or 0) * (row.ratio or 0) if theirs else row.value or 0) for length, row in chosen]
    return sorted(values)


def _plot(axes: Axes, points: list[tuple[int, float]], colour: str, style: str, label: str) -> None:
    if points:
        axes.plot(*zip(*points, strict=True), style, color=colour, linewidth=2.2, markersize=6.5, label=label)


def _times(axes: Axes, measurements: Measurements) -> None:
    lines = [
        ("causal", RINGATTENTION, True, _PEER, "-o"),
        ("packed16", RINGATTENTION, True, _PEER, "--o"),
        ("causal", RINGATTENTION, False, _OURS, "-o"),
        ("packed16", RINGATTENTION, False, _OURS, "--o"),
        ("causal", DOT_PRODUCT, True, _DENSE, "-s"),
    ]
    for what, peer, theirs, colour, style in lines:
        points = [(length, value / 1e3) for length, value in _line(measurements, what, peer, theirs=theirs)]
        _plot(axes, points, colour, style, f"{peer.removeprefix('jax.nn.') if theirs else 'ours'}, {_WORDS[what]}")
    _logarithmic(axes)
    _lengths(axes, {name.length for name in measurements if name.what in DOCUMENTS})
    axes.set_title("wall time, seconds (log-log)", loc="left", color=_INK, fontsize=12)
    axes.legend(frameon=False, fontsize=9.5, loc="upper left", handlelength=3.4)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** 0.45)  # room for the legend


def _memory(axes: Axes, measurements: Measurements) -> None:
    _plot(axes, _line(measurements, "memory", RINGATTENTION, theirs=True), _PEER, "-o", RINGATTENTION)
    _plot(axes, _line(measurements, "memory", RINGATTENTION, theirs=False), _OURS, "-o", "ours")
    _logarithmic(axes)
    _lengths(axes, {name.length for name in measurements if name.what == "memory"})
    axes.set_title("temporary memory per device, MiB (log-log)", loc="left", color=_INK, fontsize=12)
    if axes.lines:
        axes.legend(frameon=False, fontsize=9.5, loc="upper left", handlelength=3.4)


def _ratios(axes: Axes, measurements: Measurements) -> None:
    chosen = {
        name: row.ratio or 0
        for name, row in measurements.items()
        if name.peer == RINGATTENTION and name.what in DOCUMENTS and name.backward
    }
    lengths = sorted({name.length for name in chosen})
    for place, length in enumerate(lengths):
        masks = [what for what in DOCUMENTS if any((name.what, name.length) == (what, length) for name in chosen)]
        for number, what in enumerate(masks):
            (value,) = (ratio for name, ratio in chosen.items() if (name.what, name.length) == (what, length))
            at = place + (number - (len(masks) - 1) / 2) * 0.27
            axes.bar(at, value, 0.25, color=_SHADES[what])
            axes.annotate(
                f"{value:.1f}" if value >= 1.95 else f"{value:.2f}",
                (at, value),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=_INK,
                fontsize=9,
            )
    axes.axhline(1, color=_INK, linewidth=1.2, linestyle=(0, (5, 4)))
    axes.set_xticks(range(len(lengths)), [_thousands(length) for length in lengths])
    axes.set_xlabel("tokens of the row", color=_INK)
    axes.set_ylim(0, 1.3 * max([1.0, *chosen.values()]))
    axes.set_title(f"times faster than {RINGATTENTION} 0.1.2", loc="left", color=_INK, fontsize=12)
    for what in DOCUMENTS:
        axes.bar(0, 0, color=_SHADES[what], label=_WORDS[what])
    axes.legend(frameon=False, fontsize=9.5, loc="upper left", ncols=3)


def _logarithmic(axes: Axes) -> None:
    axes.set(xscale="log", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _lengths(axes: Axes, lengths: Iterable[int]) -> None:
    ticks = sorted(lengths)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(ticks, [_thousands(length) for length in ticks])
    axes.set_xlabel("tokens of the row", color=_INK)


def _thousands(length: int) -> str:
    return f"{length // 1024}K" if length % 1024 == 0 else str(length)
