"""What checkpoints say: losses of their record, and the facts of their manifest."""

from collections.abc import Sequence
from typing import NamedTuple

from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.checkpoint.manifest import Manifest, ModelManifest, read_model_manifest
from lwm_trainer.checkpoint.training_record import Record
from lwm_trainer.config import ValidationLoss


class StageRecord(NamedTuple):
    """A stage as its newest checkpoint tells it."""

    folder: str
    manifest: Manifest
    losses: list[float]
    """Nats per token of each step that is done."""
    validations: Sequence[ValidationLoss] = ()
    """The losses on held-out documents after some steps."""

    @property
    def last_validation(self) -> list[ValidationLoss]:
        """Those of the newest validation, one for each data set and modality; none without one."""
        return [each for each in self.validations if each.step == self.validations[-1].step]


def read_stage(folder: str, steps: int) -> StageRecord:
    """The record of a commit of a stage of `steps` steps. Raises CheckpointMismatchError for one that cannot be read."""
    manifest = read_model_manifest(folder)
    assert isinstance(manifest, Manifest)  # noqa: S101 - a training wrote it
    return stage_record(folder, manifest, read_record(folder, steps))


def stage_record(folder: str, manifest: Manifest, record: Record) -> StageRecord:
    """The record of the commit in `folder` as a report shows it."""
    return StageRecord(folder, manifest, record.losses[: manifest.step].tolist(), record.validations)


def manifest_facts(manifest: ModelManifest) -> list[tuple[str, str]]:
    """What the manifest says of the parameters, by name."""
    model = manifest.model
    facts = [
        ("model", f"{model.layers} layers, width {model.width}, {model.heads} heads, {model.kv_heads} key heads, MLP {model.mlp_width}"),
        ("vocabulary", f"{model.vocab_size:,}" + (f" and {model.vision.vocab_size:,} of vision" if model.vision else "")),
        ("context", f"{manifest.context_length:,} tokens, RoPE theta {manifest.rope_theta:,.0f}"),
        ("tokenizer SHA-256", manifest.tokenizer_sha256 or "not known"),
    ]
    if isinstance(manifest, Manifest):
        mesh = ", ".join(f"{axis} {size}" for axis, size in manifest.mesh.model_dump().items())
        facts += [
            ("seed", str(manifest.seed)),
            ("mesh", mesh),
            ("hosts", str(manifest.hosts)),
            ("activations", manifest.precision.compute if manifest.precision else "not known"),
            ("JAX", manifest.jax),
        ]
    elif manifest.source is not None:
        facts.append(("converted from", manifest.source))
    return facts
