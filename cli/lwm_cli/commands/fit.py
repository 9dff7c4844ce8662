"""`lwm fit FILE`: each stage is compiled for its accelerator, without the accelerator."""

from pathlib import Path

import click

from lwm_cli.commands.positive_number import POSITIVE_NUMBER
from lwm_cli.commands.run import needs

HELP = """Does each stage of the LWMTraining in FILE fit its accelerator, and how fast will it be?

\b
Exit codes: 0 all stages fit, 1 one does not, 2 wrong file or options, or this machine cannot compile."""


@click.command("fit", help=HELP, short_help="Compile each stage without its accelerator: does it fit, and how fast will it be?")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--stage", metavar="NAME", help="Only this stage.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="A folder for fit.md and fit.png.")
@click.option(
    "--search",
    type=click.IntRange(0),
    metavar="N",
    help="Other settings to compile, at most, when a stage does not fit; 0: none. Default: a few.",
)
@click.option(
    "--price",
    type=POSITIVE_NUMBER,
    metavar="MONEY",
    help="Of a chip-hour: what each stage costs is printed, too.",
)
@click.option(
    "--serve",
    type=click.IntRange(1),
    metavar="ROWS",
    help="By arithmetic instead: lwm serve of each stage's model with so many rows on its TPU slice, in bfloat16.",
)
@needs("fit", "jax", "matplotlib", "cel")
def fit(file: Path, stage: str | None, out: Path | None, search: int | None, price: float | None, serve: int | None) -> int:
    from lwm_cli.fit import fit_file, fit_server

    if serve is None:
        return fit_file(file, stage, out, search, price)
    if out is not None or search is not None or price is not None:
        raise click.UsageError("--serve compiles nothing: leave --out, --search and --price out")
    return fit_server(file, stage, serve)
