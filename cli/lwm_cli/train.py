"""`lwm train FILE`: an LWMTraining on this machine, without Kubernetes."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from lwm_cli.commands import run
from lwm_cli.local.folder import RUNS, FolderInUseError, TrainingFolder
from lwm_cli.local.follow import Outcome, follow
from lwm_cli.local.local_cluster import LocalCluster
from lwm_cli.local.logs import log_to
from lwm_cli.local.manifest import Options, forbidden_changes, load_local, local_problems
from lwm_cli.status_table import TrainingView
from lwm_cli.training import FileError
from lwm_operator.api.status import Phase
from lwm_operator.api.training import Training
from lwm_operator.plan.validation.warnings import warnings

LOG = "lwm-train.log"
"""The log of the operator's decisions, in the training's folder."""
EXIT_CODES = {Outcome.COMPLETE: 0, Outcome.STOPPED: 1, Outcome.LEFT: 130}

HELP = """Run the LWMTraining in FILE on this machine, without Kubernetes: a process for each host, and the operator's own decisions.

Locations in FILE may be paths: absolute, or file:PATH, which is relative to FILE.
The same command goes on where it stopped, whatever stopped it. Ctrl-C saves and leaves; a second one kills.

\b
Exit codes: 0 complete, 1 failed or paused, 2 wrong file or options, 130 left on request."""


@click.command("train", help=HELP)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of status, logs and checkpoints. Default: runs/NAME for status and logs, and checkpoints where FILE says.",
)
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of spec, such as stages[0].steps=10.")
@click.option("--source", "sources", multiple=True, metavar="[NAME=]PATH", help="Files of a data set, instead of those that FILE names.")
@click.option("--tokenizer", metavar="PATH", help="A tokenizer.json, instead of the one that FILE names.")
def command(file: Path, out: Path | None, settings: tuple[str, ...], sources: tuple[str, ...], tokenizer: str | None) -> int:
    try:
        options = Options(settings, sources, tokenizer)
        training = load_local(file, options, out)
        folder = TrainingFolder(out or RUNS / training.metadata.name)
        if training.spec.checkpoint.pvc is not None:
            training = load_local(file, options, folder.path)
        return train(training, folder, Console(stderr=False))
    except (FileError, FolderInUseError) as error:
        print(error, file=sys.stderr)
        return 2


def train(training: Training, folder: TrainingFolder, console: Console) -> int:
    """Store the training in the folder, or go on with the one that is there. Raises FileError and FolderInUseError."""
    if problems := local_problems(training.spec):
        raise FileError("\n".join(problems))
    with folder.lock(), TrainingView(console) as view:
        store(training, folder, view.say)
        for warning in warnings(training.spec):
            view.say(f"warning: {warning}")
        stored = folder.training()
        view.say(f"training {stored.metadata.name}: status and logs in {folder.path}, checkpoints in {stored.run_root}")
        with log_to(folder.path / LOG):
            outcome = asyncio.run(follow(LocalCluster(folder), view.show, view.say))
    return EXIT_CODES[outcome]


def store(training: Training, folder: TrainingFolder, say: Callable[[str], None]) -> None:
    """Store the training; one that is there goes on with this spec, and once more where it was stopped. Raises FileError."""
    spec = training.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    if not folder.exists:
        folder.create(training.metadata.name, spec)
        return
    old = folder.training()
    if old.metadata.name != training.metadata.name:
        raise FileError(f"{folder.path} holds training {old.metadata.name}: give another --out")
    if changed := forbidden_changes(old, training.spec):
        raise FileError(f"{folder.path} holds a training with another {', '.join(changed)}, which cannot change: give another --out")
    resume = max(training.spec.resume, old.spec.resume, old.status.observed_resume)
    if old.status.phase in (Phase.PAUSED, Phase.FAILED) and resume == old.status.observed_resume:
        resume += 1
        say(f"it was {old.status.phase.value}, and goes on with new budgets: spec.resume {resume}")
    folder.change(lambda body: body.update(spec=spec | {"resume": resume}))


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    return run(command, "lwm train", arguments)
