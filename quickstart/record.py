"""What a run left in the bucket: the record and the manifest in each stage's final checkpoint."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quickstart.storage import use_endpoint


@dataclass(frozen=True)
class StageRecord:
    """One stage as its final checkpoint tells it. Arrays are [steps]: loss in nats a token, hash of the step's tokens."""

    name: str
    checkpoint: str
    context_length: int
    rope_theta: float
    losses: NDArray[np.float32]
    grad_norms: NDArray[np.float32]
    tokens_hash: NDArray[np.uint32]
    by_modality: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """The losses of text and of vision targets apart, NaN where a step has none; nothing for a stage that sees text only."""


def read_stage(checkpoint: str, endpoint: str | None = None) -> StageRecord:
    """Reads the Orbax step folder `checkpoint` (gs:// or a path) with one process and no accelerator."""
    use_endpoint(endpoint)
    from lwm_trainer.checkpoint.checkpointer import read_manifest, read_record
    from lwm_trainer.checkpoint.training_record import MODALITIES

    manifest = read_manifest(checkpoint)
    record = read_record(checkpoint, manifest.step)
    return StageRecord(
        name=manifest.stage,
        checkpoint=checkpoint,
        context_length=manifest.context_length,
        rope_theta=manifest.rope_theta,
        losses=record.losses,
        grad_norms=record.arrays["grad_norm_bits"].view(np.float32),
        tokens_hash=record.arrays["tokens_hash"],
        by_modality={name: record.losses_of(name) for name in MODALITIES} if manifest.model.vision is not None else {},
    )
