"""What a device's memory holds, by arithmetic: coarse, and fast enough to sort out thousands of meshes. A compiled step knows better."""

from dataclasses import dataclass

from lwm_trainer.config import RunConfig
from lwm_trainer.fit.estimate.flops import weights
from lwm_trainer.ring import ring_ulysses_split

FLOAT32 = 4
LOGIT_BYTES = 2**28
"""Of the logits that are alive at once: `lwm_trainer.step.loss.MOST_LOGIT_BYTES`, which this room does not import because of JAX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Bytes of one device."""

    parameters: int
    optimizer: int
    """Two moments."""
    gradients: int
    """Of a step, and of a part of it where rows are accumulated."""
    saved: int
    """What layers keep for their backward pass."""
    transient: int
    """The largest of what is alive for a moment: a layer's gathered parameters with its MLP, its ring or the logits."""

    @property
    def total(self) -> int:
        return self.parameters + self.optimizer + self.gradients + self.saved + self.transient


def guess(run: RunConfig) -> Guess:
    """Memory of a run whose `mesh.ulysses` is given."""
    model, mesh, memory = run.model, run.mesh, run.memory
    each, width = weights(model), model.dtype_bytes
    shard = FLOAT32 * each.total // (mesh.fsdp * mesh.sp * mesh.tp)
    rows = run.rows // (mesh.dp * mesh.fsdp) // memory.gradient_accumulation_steps
    tokens = rows * run.context_length // mesh.sp
    queries, keys, inner = (size // mesh.tp for size in (model.heads * model.head_dim, model.kv_heads * model.head_dim, model.mlp_width))
    outputs = queries if mesh.ulysses in (None, 1) else 2 * queries  # by heads, and once more by tokens
    kept = {  # bytes of a token and layer
        "full": width * model.width,
        "attention": width * (model.width + queries),
        "qkv": width * (model.width + 2 * queries + 2 * keys),
        # Each norm keeps its input and the normalised stream in float32, and what it gives; SwiGLU six inner values.
        "none": 4 * FLOAT32 * model.width + width * (2 * model.width + queries + 2 * keys + outputs + 6 * inner),
        "offload": 0,
    }[memory.remat]
    ring = ring_ulysses_split.split_cost(
        model,
        mesh,
        mesh.ulysses or 1,
        rows=run.rows // memory.gradient_accumulation_steps,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=ring_ulysses_split.DEVICE_RATES[run.gang.platform],
    )
    tile = tokens if memory.mlp_tile is None else rows * memory.mlp_tile // mesh.sp
    gathered = 2 * width * each.layer // mesh.tp  # this layer's and the next one's
    mlp = 2 * 3 * tile * inner * width  # gate, up and their product, with their gradients
    logits = min(LOGIT_BYTES, FLOAT32 * tokens * (each.head // model.width) // mesh.tp)
    loss = (width + FLOAT32) * each.head // mesh.tp + 2 * logits
    stream = 4 * tokens * model.width * width
    return Guess(
        parameters=shard,
        optimizer=2 * shard,
        gradients=shard * (2 if memory.gradient_accumulation_steps > 1 else 1),
        saved=model.layers * tokens * kept,
        transient=stream + gathered + max(mlp, ring.shard_bytes + 4 * tokens * queries * width, loss),
    )
