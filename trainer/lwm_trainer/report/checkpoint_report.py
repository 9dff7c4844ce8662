"""A report of one checkpoint: what it is, and what its model can do."""

from collections.abc import Sequence
from datetime import datetime

from lwm_trainer.checkpoint.manifest import Manifest, ModelManifest
from lwm_trainer.config import ValidationLoss
from lwm_trainer.config.command_line import version
from lwm_trainer.report.checkpoints import StageRecord, manifest_facts
from lwm_trainer.report.contents import Evaluation, Report, Verdict
from lwm_trainer.report.curves import loss_curve, position_curve


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
        title = f"{manifest.training}, {manifest.stage}, step {manifest.step:,}"
        figures = [("tokens of the stage", f"{manifest.tokens_seen:,}")]
    else:
        sentence, figures, title = "A converted model.", [], folder.rstrip("/").rpartition("/")[2]
    if record is not None and record.losses:
        figures += [("first loss", f"{record.losses[0]:.4f}"), ("newest loss", f"{record.losses[-1]:.4f}")]
    held_out = () if record is None else tuple(map(_held_out, record.last_validation))
    return Report(
        title=title,
        made=f"{now:%Y-%m-%d %H:%M} UTC",
        verdict=Verdict("Checkpoint", "neutral", sentence),
        figures=tuple(figures),
        loss=None if record is None else loss_curve([(record.manifest.stage, record.losses)]),
        evaluations=(*held_out, *evaluations),
        provenance=(("checkpoint", folder), ("LWM operator", version()), *manifest_facts(manifest)),
        commands=(
            ("Answer a prompt", f"lwm sample {folder} --tokenizer tokenizer.json --prompt '…'"),
            *((f"Evaluate: {each.title}", f"{each.command} --tokenizer tokenizer.json") for each in evaluations),
        ),
        notes=tuple(notes),
    )


def _held_out(loss: ValidationLoss) -> Evaluation:
    """The loss on a held-out data set, with its curve by position."""
    points = [(each.end, each.loss, each.loss, each.loss) for each in loss.positions]
    return Evaluation(
        title=f"Validation: {loss.dataset}, {loss.modality}",
        place="",
        subject="",
        command="",
        curve=position_curve(points),
        summary=f"{loss.loss:.4f} nats per token over {loss.targets:,} targets after step {loss.step:,}, by position in the document.",
    )
