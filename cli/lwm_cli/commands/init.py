"""`lwm init`: a complete LWMTraining from a few facts."""

from pathlib import Path
from typing import Any

import click

from lwm_cli.commands.positive_number import POSITIVE_NUMBER
from lwm_cli.commands.run import needs

HELP = """Write a complete, commented LWMTraining from a few facts: stages with LWM's lengths and rotary bases up to the target length,
and for each a mesh that should fit the devices, by the arithmetic of `lwm fit`. The result passes every check of the API server.

\b
lwm init --model llama2-7b --accelerator v5p-256 --data gs://my-bucket/books --tokenizer gs://my-bucket/tokenizer.json \\
         --checkpoints gs://my-bucket/runs --init-from gs://my-bucket/llama2 --out training.yaml"""


@click.command("init", help=HELP, short_help="Write an LWMTraining from a few facts: model, accelerator, data, target length.")
@click.option("--model", required=True, metavar="NAME|FOLDER", help="llama2-7b, llama3-8b, lwm-7b, tiny, or a folder with config.json.")
@click.option("--accelerator", required=True, metavar="DEVICES", help="Such as v5p-128, v6e:16x16, 8xH100 or cpu-4.")
@click.option("--kind", type=click.Choice(["text", "chat", "vision"]), default="text", show_default=True, help="What the records are.")
@click.option("--target-length", metavar="N", help="Tokens of the last stage, such as 128k. Default: 1m; vision: 8k; tiny: 512.")
@click.option("--data", required=True, metavar="URI", help="Folder of records: gs://…, or file:PATH for lwm train.")
@click.option("--tokenizer", required=True, metavar="URI", help="tokenizer.json: gs://…, or file:PATH for lwm train.")
@click.option("--checkpoints", required=True, metavar="URI", help="Folder for checkpoints: gs://…, or file:PATH for lwm train.")
@click.option("--init-from", metavar="URI", help="Step folder whose parameters it starts from: of lwm convert, or of a training.")
@click.option("--from-scratch", is_flag=True, help="Begin with random parameters, also where the model is a known one.")
@click.option(
    "--budget",
    type=POSITIVE_NUMBER,
    metavar="N",
    help="Chip-hours (of a GPU: GPU-hours) that all stages may take, or money with --price: steps are cut to it.",
)
@click.option("--price", type=POSITIVE_NUMBER, metavar="MONEY", help="Of a chip-hour: makes --budget an amount of money.")
@click.option("--name", help="Name of the training. Default: model, kind and length.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="The file. Default: standard output.")
@click.option("--force", is_flag=True, help="Replace the file.")
@needs("local", "pydantic", "cel")
def init(
    data: str,
    tokenizer: str,
    checkpoints: str,
    init_from: str | None,
    from_scratch: bool,
    budget: float | None,
    price: float | None,
    **options: Any,
) -> int:
    if price is not None and budget is None:
        raise click.UsageError("--price is of --budget: give both")
    if init_from is not None and from_scratch:
        raise click.UsageError("give --init-from or --from-scratch, not both")
    from lwm_cli.init.budget import Budget
    from lwm_cli.init.command import init as write
    from lwm_cli.init.manifest import Places

    places = Places(data, tokenizer, checkpoints, "" if from_scratch else init_from)
    return write(places=places, budget=None if budget is None else Budget(budget, price), **options)
