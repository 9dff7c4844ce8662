"""`python -m benchmarks.precision`: how far a training step in bfloat16 is from float32, on 1, 2 and 8 CPU devices, for each mesh axis and
each setting that saves memory. Prints a table, and with `--write` puts it into docs/guides/precision.md. 25 programs are compiled: three
minutes of one core.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax

from benchmarks.precision.step_errors import ALONE, Case, Step, cases, distance, one_step
from devcluster.paths import REPOSITORY

GUIDE = REPOSITORY / "docs" / "guides" / "precision.md"
BEGIN = "<!-- The table is written by `python -m benchmarks.precision --write`: do not edit. -->"
END = "<!-- The end of the table. -->"
HEAD = ("devices", "mesh", "memory", "from float32", "from one device", "loss")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the table into docs/guides/precision.md")
    options = parser.parse_args(arguments)
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 8)
    exact, rounded = one_step(ALONE, "float32"), one_step(ALONE, "bfloat16")
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}", row(ALONE, rounded, rounded, exact)]
    print("\n".join(lines), flush=True)
    for case in cases():
        lines.append(row(case, one_step(case, "bfloat16"), rounded, exact))
        print(lines[-1], flush=True)
    if options.write:
        write("\n".join(lines), GUIDE)


def row(case: Case, step: Step, rounded: Step, exact: Step) -> str:
    """One case: differences of its gradients from the two on one device, relative to the norm of the float32 ones, and of its loss."""
    mesh, memory = (
        ", ".join(f"`{name}: {value}`" for name, value in settings.model_dump(by_alias=True, exclude_defaults=True).items()) or "default"
        for settings in (case.mesh, case.memory)
    )
    figures = (distance(step, exact, exact), distance(step, rounded, exact), abs(step.loss / exact.loss - 1))
    return f"| {case.mesh.size} | {mesh} | {memory} | {' | '.join(f'{figure:.2e}' for figure in figures)} |"


def write(table: str, page: Path) -> None:
    """Put the table between the two comments of the page. Raises ValueError when the page lacks one of them."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page}: the table's place is not marked: add the lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
