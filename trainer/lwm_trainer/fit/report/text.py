"""A fit as Markdown, the same in the terminal and in the report."""

from collections.abc import Sequence

from lwm_trainer.config import RunConfig
from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.compile.memory import DeviceMemory
from lwm_trainer.fit.estimate.memory_estimate import estimate_memory
from lwm_trainer.fit.fit import FitResult
from lwm_trainer.fit.report.cost import cost_line

WORDS = {True: "fits", False: "does NOT fit", None: "compiles; how much memory there is, is not known"}


def stage_report(name: str, fit: FitResult, price: float | None = None) -> str:
    """The full report of one stage. `price`: of a chip-hour, in whatever money."""
    compiled = fit.compiled
    parts = [f"## {name}: {verdict_line(fit)}", "", _setting(fit), ""]
    if compiled.memory is not None:
        parts += [memory_table(compiled.memory, fit.target.available_bytes), "", _largest(compiled.memory), ""]
    else:
        parts += [estimated_memory(fit.run), ""]
    if compiled.collectives:
        rows = [
            (each.kind, each.dtype, each.axes, f"{each.times:,}", format_bytes(each.bytes), format_bytes(each.largest))
            for each in compiled.collectives
        ]
        parts += [
            "Sent by each device in a step:",
            "",
            *markdown_table(("collective", "dtype", "axes", "times", "bytes", "largest (a hop)"), rows),
            "",
        ]
    if fit.estimate is not None:
        summary = f"Predicted step: {fit.estimate.seconds:.3g} s, {fit.estimate.mfu:.1%} of the peak in model FLOPs."
        parts += [summary, "", "```", fit.estimate.text, "```", "", cost_line(fit, price), ""]
    return "\n".join(parts)


def estimated_memory(run: RunConfig) -> str:
    """The memory of a device by kind as arithmetic has it, which no compiler has seen."""
    memory = estimate_memory(run)
    rows = [(kind, format_bytes(getattr(memory, kind))) for kind in ("parameters", "optimizer", "gradients", "saved", "transient")]
    return "\n".join(markdown_table(("a device, by arithmetic alone", "coarsely"), [*rows, ("together", format_bytes(memory.total))]))


def verdict_line(fit: FitResult) -> str:
    """Whether the stage fits, with needed and available memory, in one line."""
    refusal, margin = fit.compiled.refusal, fit.margin_bytes
    if refusal is not None and refusal.space != "hbm":
        return f"does NOT compile: a kernel asks for more {refusal.space} than a core has ({refusal.message})"
    if margin is None:
        return WORDS[fit.fits]
    available = fit.target.available_bytes or 0
    return f"{WORDS[fit.fits]}, {format_bytes(available - margin)} needed of {format_bytes(available)}, margin {format_bytes(margin)}"


def memory_table(memory: DeviceMemory, available: int | None) -> str:
    """The HBM of a device by kind, as a table."""
    rows = [
        ("parameters", format_bytes(memory.parameters)),
        ("optimizer", format_bytes(memory.optimizer)),
        ("batch", format_bytes(memory.batch)),
        ("temporaries and code", format_bytes(memory.temporaries)),
        ("**used, at the peak**", f"**{format_bytes(memory.used)}**"),
        *([("available", format_bytes(available)), ("margin", format_bytes(available - memory.used))] if available is not None else []),
        ("host memory for this device", format_bytes(memory.host)),
    ]
    return "\n".join(markdown_table(("memory of a device", ""), rows))


def _largest(memory: DeviceMemory) -> str:
    rows = [(format_bytes(each.bytes), f"{each.dtype}{list(each.shape)}", each.origin or "(made by XLA)") for each in memory.largest]
    return "\n".join(["Largest temporaries, not all alive together:", "", *markdown_table(("size", "tensor", "made by"), rows)])


def _setting(fit: FitResult) -> str:
    run, target = fit.run, fit.target
    memory = run.memory
    where = f"{run.gang.slices} x {target.topology}" if target.topology else f"{run.mesh.size} CPU devices"
    how = "a cached result" if fit.cached else f"compiled in {fit.compiled.seconds:.0f} s"
    return (
        f"{where}; {fit.compiled.mesh}; remat {memory.remat}, accumulation {memory.gradient_accumulation_steps}, "
        f"mlpTile {memory.mlp_tile or 'none'}; "
        f"{run.rows} rows of {run.context_length:,} tokens; {how}."
    )


def markdown_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a Markdown table with aligned columns."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"

    return [line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]


def format_bytes(count: int) -> str:
    """A number of bytes in GiB, or in MiB if it is small."""
    return f"{count / GIB:.2f} GiB" if abs(count) >= GIB / 10 else f"{count / 2**20:.2f} MiB"
