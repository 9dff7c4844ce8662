"""What a run left in the bucket: the record and the manifest in each stage's final checkpoint."""

from dataclasses import dataclass

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


def read_stage(checkpoint: str, endpoint: str | None = None) -> StageRecord:
    """Reads the Orbax step folder `checkpoint` (gs:// or a path) with one process and no accelerator."""
    use_endpoint(endpoint)
    import orbax.checkpoint as ocp
    from etils import epath

    from lwm_trainer.checkpoint import Manifest
    from lwm_trainer.record import Record

    folder = epath.Path(checkpoint)
    with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
        manifest = Manifest.model_validate(reader.restore(folder, args=ocp.args.Composite(manifest=ocp.args.JsonRestore())).manifest)
        empty = Record.empty(manifest.step).arrays
        record = reader.restore(folder, args=ocp.args.Composite(record=ocp.args.StandardRestore(empty))).record
    return StageRecord(
        name=manifest.stage,
        checkpoint=checkpoint,
        context_length=manifest.context_length,
        rope_theta=manifest.rope_theta,
        losses=np.asarray(record["loss_bits"]).view(np.float32),
        grad_norms=np.asarray(record["grad_norm_bits"]).view(np.float32),
        tokens_hash=np.asarray(record["tokens_hash"]),
    )
