"""`lwm report TARGET`: one HTML file about a training or a checkpoint."""

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from lwm_cli.commands import run
from lwm_cli.failures import report_failures
from lwm_cli.local.folder import TRAINING
from lwm_cli.places import PlaceError, parse_body, place_of
from lwm_cli.report.checkpoint_report import checkpoint_report
from lwm_cli.report.checkpoints import StageRecord, read_stage
from lwm_cli.report.contents import Evaluation, Report
from lwm_cli.report.evaluations import ResultsError, read_evaluations
from lwm_cli.report.page import render
from lwm_cli.report.training_report import training_report
from lwm_operator.api.training import Training
from lwm_trainer.checkpoint.manifest import Manifest, read_model_manifest
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.sampling.weights import find_step, newest_commit
from lwm_trainer.storage.absolute import absolute_uri

EVALS = "evals"
"""Folder of a training in local mode, or of a checkpoint, whose results are part of its report."""

HELP = f"""Write one HTML file about TARGET, which needs no network: how the training went, what its model can do, how to do it again.

TARGET is a folder of `lwm train`, the name of a training in a cluster, or a checkpoint (a path or gs://…). Results of `lwm eval` in the
folder {EVALS} of TARGET, and in those named by --evals, are part of it."""


@click.command("report", help=HELP)
@click.argument("target")
@click.option("--evals", multiple=True, type=click.Path(path_type=Path), help="A folder with results of lwm eval. May be given again.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("report.html"), show_default=True, help="The file.")
@click.option("--namespace", "-n", help="Namespace of the training in the cluster.")
@click.option("--context", help="Context of the kubeconfig.")
@report_failures
def command(target: str, evals: tuple[Path, ...], out: Path, namespace: str | None, context: str | None) -> int:
    words = [*([f"--namespace={namespace}"] if namespace else []), *([f"--context={context}"] if context else [])]
    try:
        own = Path(target) / EVALS
        evaluations = read_evaluations([*([own] if own.is_dir() else []), *evals])
        report = report_of_checkpoint(target, evaluations) if is_checkpoint(target) else report_of_training(target, words, evaluations)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(report), encoding="utf-8")
    except (PlaceError, ResultsError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{report.verdict.word}: {report.verdict.sentence}")
    print(out)
    return 0


def is_checkpoint(target: str) -> bool:
    """Whether TARGET is an address or a folder, and none of `lwm train`."""
    return "://" in target or (Path(target).is_dir() and not (Path(target) / TRAINING).exists())


def report_of_training(target: str, words: Sequence[str], evaluations: Sequence[Evaluation]) -> Report:
    """The report of a training in a folder or a cluster. Raises PlaceError."""
    place = place_of(target, words)
    body = place.body()
    training = parse_body(body)
    records, notes = stage_records(training)
    return training_report(body, training, place.events(), records, evaluations, notes, datetime.now(UTC))


def report_of_checkpoint(target: str, evaluations: Sequence[Evaluation]) -> Report:
    """The report of a step folder, or of the newest one below a folder of checkpoints. Raises WrongArgumentError where there is none."""
    folder = find_step(absolute_uri(target))
    manifest, record, notes = read_model_manifest(folder), None, []
    if isinstance(manifest, Manifest):
        try:
            record = read_stage(folder, manifest.step)
        except (CheckpointMismatchError, ValueError) as error:
            notes.append(f"The record of the training cannot be read: {error}")
    return checkpoint_report(folder, manifest, record, evaluations, notes, datetime.now(UTC))


def stage_records(training: Training) -> tuple[Mapping[str, StageRecord], list[str]]:
    """The record of each stage that has a checkpoint, and a note for each that cannot be read."""
    records, notes = {}, []
    begun = {entry.name for entry in training.status.stages if entry.committed_step or entry.final_checkpoint}
    for stage in training.spec.stages:
        if stage.name not in begun:
            continue
        try:
            records[stage.name] = read_stage(newest_commit(training.run_root, stage.name), stage.total_steps)
        except (WrongArgumentError, CheckpointMismatchError, OSError, ValueError) as error:
            notes.append(f"{stage.name}: its losses cannot be read from here ({error})")
    return records, notes


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    return run(command, "lwm report", arguments)
