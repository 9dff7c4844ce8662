"""`lwm report TARGET`: one HTML file about a training or a checkpoint."""

from pathlib import Path
from typing import Any

import click

from lwm_cli.commands.failures import report_failures
from lwm_cli.commands.run import needs

HELP = """Write one HTML file about TARGET, which needs no network: how the training went, what its model can do, how to do it again.

TARGET is a folder of `lwm train`, the name of a training in a cluster, or a checkpoint (a path or gs://…). Results of `lwm eval` in the
folder evals of TARGET, and in those named by --evals, are part of it."""


@click.command("report", help=HELP, short_help="One HTML file about a training or a checkpoint.")
@click.argument("target")
@click.option("--evals", multiple=True, type=click.Path(path_type=Path), help="A folder with results of lwm eval. May be given again.")
@click.option("--samples", metavar="TEXTS", help="A file or folder of texts: the page shows how the model goes on with the first three.")
@click.option("--tokenizer", metavar="FILE", help="For --samples: the tokenizer.json, where it does not lie with TARGET.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), show_default=True, help="The file.")
@click.option("--namespace", "-n", help="Namespace of the training in the cluster.")
@click.option("--context", help="Context of the kubeconfig.")
@needs("local", "jax", "orbax", "jinja2")
@report_failures
def report(**options: Any) -> int:
    from lwm_cli.report.command import write_report

    return write_report(**options)
