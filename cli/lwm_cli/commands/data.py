"""`lwm data prepare`, `lwm data inspect` and `lwm data sample`."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from lwm_cli.commands.run import needs
from lwm_cli.errors import CommandError

Function = TypeVar("Function", bound=Callable[..., Any])
MANIFESTS = (".yaml", ".yml", ".json")
"""How the name of an LWMTraining's file ends; data has other names."""


@click.group("data", short_help="Prepare data sets on this machine, and show rows as readable text.")
def data() -> None:
    """Prepare data sets on this machine, show rows as readable text, and write a sample to try.

    Exit codes: 0 success, 1 missing, denied or bad data, 2 wrong file or options."""


def _dataset_options(function: Function) -> Function:
    """Add the options that choose a data set and replace addresses that exist only in pods."""
    for option in (
        click.option("--tokenizer", metavar="FILE", help="A tokenizer.json on this machine, instead of the one on the claim."),
        click.option("--source", metavar="PATH", help="Its files on this machine, instead of those on the claim."),
        click.option("--dataset", metavar="NAME", help="Only this data set."),
    ):
        function = option(function)
    return function


def _report_bad_data(function: Callable[..., int]) -> Callable[..., int]:
    """Turn the errors of data and storage into a line and exit code 1."""

    @wraps(function)
    def reported(*arguments: Any, **options: Any) -> int:
        from lwm_trainer.data.errors import DataError
        from lwm_trainer.storage.errors import StorageError

        try:
            return function(*arguments, **options)
        except (DataError, StorageError) as error:
            raise CommandError(str(error)) from error

    return reported


@data.command("prepare", short_help="Prepare the data sets of an LWMTraining, or files without one, as token stores.")
@click.argument("target", metavar="FILE|DATA")
@_dataset_options
@click.option("--kind", type=click.Choice(["text", "chat"]), help="Of DATA: what its records are. Default: text.")
@click.option("--vocab-size", type=click.IntRange(16), metavar="N", help="Of DATA: the model's. Default: the tokenizer's.")
@click.option("--out", required=True, metavar="ROOT", help="A folder, also gs://; each data set gets a folder in it.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes. Default: the number of CPU cores.")
@needs("local", "numpy", "pyarrow", "tokenizers", "cel")
@_report_bad_data
def prepare(
    target: str,
    dataset: str | None,
    source: str | None,
    tokenizer: str | None,
    kind: str | None,
    vocab_size: int | None,
    out: str,
    workers: int | None,
) -> int:
    """Prepare data as token stores, with processes of this machine: the data sets of the LWMTraining in FILE (.yaml, .yml, .json), or
    DATA, files without a training: a file, a folder or a pattern with *, also gs://. DATA needs --tokenizer."""
    from lwm_cli.data_options import DatasetOptions
    from lwm_cli.data_prepare import prepare_data, prepare_datasets

    workers = workers or os.cpu_count() or 1
    if target.endswith(MANIFESTS):
        if kind is not None or vocab_size is not None:
            raise click.UsageError(f"{target} says kind and model of its data sets: leave --kind and --vocab-size out")
        return prepare_datasets(Path(target), DatasetOptions(dataset, source, tokenizer), out, workers)
    if dataset is not None or source is not None:
        raise click.UsageError(f"{target} is data: leave --dataset and --source out, or give the file of an LWMTraining ({MANIFESTS[0]})")
    return prepare_data(target, "chat" if kind == "chat" else "text", tokenizer, vocab_size, out, workers)


@data.command("inspect", short_help="Show a row as readable text: its documents, and which tokens count in the loss.")
@click.argument("target", metavar="FILE|FOLDER")
@_dataset_options
@click.option("--stage", metavar="NAME", help="Stage of the file. Default: the first that draws on the data set.")
@click.option("--row", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Row of the stage, from 0.")
@click.option(
    "--context-length",
    type=click.IntRange(8),
    metavar="N",
    help="Tokens of a row. Default: those of the stage; 4096 for a folder.",
)
@click.option("--whole", is_flag=True, help="Show the whole text, not only both ends of long documents.")
@click.option(
    "--vision-tokenizer",
    metavar="FILE",
    help="The vision tokenizer that encoded the pictures (a path or gs://…). With it, terminals with 24-bit colours show them.",
)
@click.option(
    "--pictures",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the decoded frames of each document there, as row-N-document-M.png.",
)
@needs("local", "numpy", "pyarrow", "tokenizers", "cel")
@_report_bad_data
def inspect(
    target: str,
    dataset: str | None,
    source: str | None,
    tokenizer: str | None,
    stage: str | None,
    row: int,
    context_length: int | None,
    whole: bool,
    vision_tokenizer: str | None,
    pictures: Path | None,
) -> int:
    """Show one row as training sees it: of a stage of the LWMTraining in FILE, or of the prepared data set in FOLDER (also gs://)."""
    from lwm_cli.data_inspect import Shown, inspect_row
    from lwm_cli.data_options import DatasetOptions

    return inspect_row(
        target, DatasetOptions(dataset, source, tokenizer), Shown(stage, row, context_length, whole, pictures, vision_tokenizer)
    )


@data.command("sample", short_help="Write texts, a tokenizer and a small training to try: no bucket, no network.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@needs("local", "tokenizers")
def sample(folder: Path) -> int:
    """Write texts (the topics of the Python manual), a tokenizer that was trained on them, and a training to try, into DIR."""
    from lwm_cli.data_sample import make_sample

    return make_sample(folder)
