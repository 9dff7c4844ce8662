"""`lwm train FILE`: an LWMTraining on this machine, without Kubernetes."""

from pathlib import Path

import click

from lwm_cli.commands.run import needs

HELP = """Run the LWMTraining in FILE on this machine, without Kubernetes: a process for each host, and the operator's own decisions.

Locations in FILE may be paths: absolute, or file:PATH, which is relative to FILE.
The same command goes on where it stopped, whatever stopped it. Ctrl-C saves and leaves; a second one kills.

\b
Exit codes: 0 complete, 1 failed or paused, 2 wrong file or options, 130 left on request."""


@click.command("train", help=HELP, short_help="Train on this machine, without Kubernetes.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of status, logs and checkpoints. Default: runs/NAME for status and logs, and checkpoints where FILE says.",
)
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of spec, such as stages[0].steps=10.")
@click.option("--source", "sources", multiple=True, metavar="[NAME=]PATH", help="Files of a data set, instead of those that FILE names.")
@click.option("--tokenizer", metavar="PATH", help="A tokenizer.json, instead of the one that FILE names.")
@needs("local", "jax", "orbax", "rich", "structlog", "cel")
def train(file: Path, out: Path | None, settings: tuple[str, ...], sources: tuple[str, ...], tokenizer: str | None) -> int:
    from lwm_cli.local.manifest import Options
    from lwm_cli.train import train_file

    return train_file(file, out, Options(settings, sources, tokenizer))
