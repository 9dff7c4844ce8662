"""What checkpoints say: losses of their record, and the facts of their manifest."""

from typing import NamedTuple

from lwm_trainer.checkpoint.checkpointer import read_record
from lwm_trainer.checkpoint.manifest import Manifest, ModelManifest, read_model_manifest


class StageRecord(NamedTuple):
    """A stage as its newest checkpoint tells it."""

    folder: str
    manifest: Manifest
    losses: list[float]
    """Nats per token of each step that is done."""


def read_stage(folder: str, steps: int) -> StageRecord:
    """The record of a commit of a stage of `steps` steps. Raises CheckpointMismatchError for one that cannot be read."""
    manifest = read_model_manifest(folder)
    assert isinstance(manifest, Manifest)  # noqa: S101 - a training wrote it
    losses = read_record(folder, steps).losses[: manifest.step].tolist()
    return StageRecord(folder, manifest, losses)


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
