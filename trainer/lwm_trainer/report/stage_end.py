"""The report that a stage leaves beside its final checkpoint."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lwm_trainer.checkpoint.manifest import read_manifest_alone
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.report.checkpoint_report import checkpoint_report
from lwm_trainer.report.checkpoints import stage_record
from lwm_trainer.report.evaluations import evaluation_of
from lwm_trainer.report.page import render
from lwm_trainer.storage.folder import folder

REPORT = "report.html"


def write_stage_report(attempt: str, checkpoint: str, record: Record, results: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """Write the page about the stage's final checkpoint into the attempt's folder; its place.

    Args:
        results: the place and the content of each file of results of the gate.

    Process 0 alone calls it. Raises CheckpointMismatchError, StorageError and OSError.
    """
    manifest = read_manifest_alone(checkpoint)
    stage = stage_record(checkpoint, manifest, record)
    evaluations = [evaluation_of(fields, place) for place, fields in results]
    page = render(checkpoint_report(checkpoint, manifest, stage, evaluations, [], datetime.now(UTC)))
    folder(attempt).write(REPORT, page.encode())
    return f"{attempt}/{REPORT}"
