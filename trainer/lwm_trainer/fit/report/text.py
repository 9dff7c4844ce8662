"""A `Fit` as text: the same Markdown in the terminal and in the report."""

from collections.abc import Sequence

from lwm_trainer.config.accelerator_families import GIB
from lwm_trainer.fit.compile.memory import Memory
from lwm_trainer.fit.fit import Fit

WORDS = {True: "fits", False: "does NOT fit", None: "compiles; how much memory there is, is not known"}


def report(name: str, found: Fit) -> str:
    """Everything about one stage, as Markdown."""
    measured = found.measured
    parts = [f"## {name}: {verdict(found)}", "", _setting(found), ""]
    if measured.memory is not None:
        parts += [memory_table(measured.memory, found.target.available_bytes), "", _largest(measured.memory), ""]
    if measured.wire:
        rows = [(each.kind, each.axes, f"{each.times:,}", size(each.bytes), size(each.largest)) for each in measured.wire]
        parts += ["Sent by each device in a step:", "", *table(("collective", "axes", "times", "bytes", "largest (a hop)"), rows), ""]
    if found.estimate is not None:
        about = f"Predicted step: {found.estimate.seconds:.3g} s, {found.estimate.mfu:.1%} of the peak in model FLOPs."
        parts += [about, "", "```", found.estimate.text, "```", ""]
    return "\n".join(parts)


def verdict(found: Fit) -> str:
    """One line."""
    refusal, margin = found.measured.refusal, found.margin_bytes
    if refusal is not None and refusal.space != "hbm":
        return f"does NOT compile: a kernel asks for more {refusal.space} than a core has ({refusal.message})"
    if margin is None:
        return WORDS[found.fits]
    available = found.target.available_bytes or 0
    return f"{WORDS[found.fits]}, {size(available - margin)} needed of {size(available)}, margin {size(margin)}"


def memory_table(memory: Memory, available: int | None) -> str:
    """HBM of a device by kind."""
    rows = [
        ("parameters", size(memory.parameters)),
        ("optimizer", size(memory.optimizer)),
        ("batch", size(memory.batch)),
        ("temporaries and code", size(memory.temporaries)),
        ("**used, at the peak**", f"**{size(memory.used)}**"),
        *([("available", size(available)), ("margin", size(available - memory.used))] if available is not None else []),
        ("host memory for this device", size(memory.host)),
    ]
    return "\n".join(table(("memory of a device", ""), rows))


def _largest(memory: Memory) -> str:
    rows = [(size(each.bytes), f"{each.dtype}{list(each.shape)}", each.origin or "(made by XLA)") for each in memory.largest]
    return "\n".join(["Largest temporaries, not all alive together:", "", *table(("size", "tensor", "made by"), rows)])


def _setting(found: Fit) -> str:
    run, target = found.run, found.target
    memory = run.memory
    where = f"{run.gang.slices} x {target.topology}" if target.topology else f"{run.mesh.size} CPU devices"
    how = "a kept answer" if found.kept else f"compiled in {found.measured.seconds:.0f} s"
    return (
        f"{where}; {found.measured.mesh}; remat {memory.remat}, accumulation {memory.gradient_accumulation_steps}, "
        f"mlpTile {memory.mlp_tile or 'none'}; "
        f"{run.rows} rows of {run.context_length:,} tokens; {how}."
    )


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a Markdown table with even columns."""
    cells = [head, *rows]
    wide = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)) + " |"

    return [line(head), "|" + "|".join("-" * (width + 2) for width in wide) + "|", *map(line, rows)]


def size(count: int) -> str:
    """Bytes in GiB, small ones in MiB."""
    return f"{count / GIB:.2f} GiB" if abs(count) >= GIB / 10 else f"{count / 2**20:.2f} MiB"
