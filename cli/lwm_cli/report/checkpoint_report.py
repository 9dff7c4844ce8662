"""A report of one checkpoint: what it is, and what its model can do."""

from collections.abc import Sequence
from datetime import datetime

from lwm_cli.report.checkpoints import StageRecord, manifest_facts
from lwm_cli.report.contents import Evaluation, Report, Verdict
from lwm_cli.report.curves import loss_curve
from lwm_trainer.checkpoint.manifest import Manifest, ModelManifest
from lwm_trainer.config.command_line import version


def checkpoint_report(
    folder: str,
    manifest: ModelManifest,
    record: StageRecord | None,
    evaluations: Sequence[Evaluation],
    notes: Sequence[str],
    now: datetime,
) -> Report:
    """Put the report together. `record` is that of the training that wrote the checkpoint; None for a converted model."""
    if isinstance(manifest, Manifest):
        sentence = f"Step {manifest.step:,} of stage {manifest.stage} of training {manifest.training}, attempt {manifest.attempt}."
        figures = [("tokens of the stage", f"{manifest.tokens_seen:,}")]
    else:
        sentence, figures = "A converted model.", []
    if record is not None and record.losses:
        figures += [("first loss", f"{record.losses[0]:.4f}"), ("newest loss", f"{record.losses[-1]:.4f}")]
    return Report(
        title=folder.rstrip("/").rpartition("/")[2],
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        verdict=Verdict("Checkpoint", "neutral", sentence),
        figures=tuple(figures),
        loss=None if record is None else loss_curve([(record.manifest.stage, record.losses)]),
        evaluations=tuple(evaluations),
        provenance=(("checkpoint", folder), ("LWM operator", version()), *manifest_facts(manifest)),
        commands=(
            ("Answer a prompt", f"lwm sample {folder} --tokenizer tokenizer.json --prompt '…'"),
            *((f"Evaluate: {each.title}", f"{each.command} --tokenizer tokenizer.json") for each in evaluations),
        ),
        notes=tuple(notes),
    )
