"""The report of the example training, as `lwm report` makes it, from the checkpoints that its results were read from."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lwm_cli.places import Body, parse_body
from lwm_cli.report.training_report import training_report
from lwm_trainer.report import checkpoints
from lwm_trainer.report.page import render
from quickstart.results import StageRecord


def write_report(body: Body, stages: Sequence[StageRecord], path: Path) -> None:
    """Write the page about the training whose object is `body`. Raises CheckpointMismatchError for a checkpoint that cannot be read."""
    records = {stage.name: checkpoints.read_stage(stage.folder, len(stage.losses)) for stage in stages}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(training_report(body, parse_body(body), [], records, [], [], datetime.now(UTC))), encoding="utf-8")
