"""`lwm report TARGET`: one HTML file about a training or a checkpoint."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from lwm_cli.errors import FileError
from lwm_cli.local.folder import TRAINING
from lwm_cli.places import cluster_words, parse_body, place_of
from lwm_cli.report.samples import text_samples
from lwm_cli.report.training_report import training_report
from lwm_operator.api.training import Training
from lwm_trainer.checkpoint.manifest import Manifest, read_model_manifest
from lwm_trainer.convert.errors import WrongArgumentError
from lwm_trainer.report.checkpoint_report import checkpoint_report
from lwm_trainer.report.checkpoints import StageRecord, read_stage
from lwm_trainer.report.contents import Evaluation, Report
from lwm_trainer.report.evaluations import ResultsError, read_evaluations
from lwm_trainer.report.page import render
from lwm_trainer.runtime.errors import CheckpointMismatchError
from lwm_trainer.sampling.weights import find_step, newest_commit
from lwm_trainer.storage.absolute import absolute_uri

EVALS = "evals"
"""Folder of a training in local mode, or in or beside that of a checkpoint, whose results are part of its report."""


def write_report(
    target: str,
    evals: tuple[Path, ...],
    samples: str | None,
    tokenizer: str | None,
    out: Path,
    namespace: str | None,
    context: str | None,
) -> int:
    """Write the report of TARGET. Returns the exit code. Raises FileError, PlaceError, and for samples what `text_samples` raises."""
    words = cluster_words(namespace, context)
    if tokenizer is not None and samples is None:
        raise FileError("--tokenizer is of --samples: give both")
    if samples is not None and not is_checkpoint(target) and not (Path(target) / TRAINING).exists():
        raise FileError(f"--samples: {target} is no folder of this machine: give the address of its checkpoint (gs://…) as TARGET")
    try:
        places = [Path(target), *([Path(target).parent] if Path(target).name.isdigit() else [])]
        evaluations = read_evaluations([*(each / EVALS for each in places if (each / EVALS).is_dir()), *evals])
        report = report_of_checkpoint(target, evaluations) if is_checkpoint(target) else report_of_training(target, words, evaluations)
        if samples is not None:
            report = replace(report, samples=text_samples(target, tokenizer, samples))
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(render(report), encoding="utf-8")
    except ResultsError as error:
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
