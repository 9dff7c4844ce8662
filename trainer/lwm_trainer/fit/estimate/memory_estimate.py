"""A coarse estimate of the memory of one device, fast enough to compare thousands of meshes. The compiler gives exact numbers."""

from dataclasses import dataclass

from lwm_trainer.config import RunConfig, key_head_copies
from lwm_trainer.fit.estimate.flops import device_parameters, parameter_counts
from lwm_trainer.fit.estimate.optimizer_cost import state_bytes
from lwm_trainer.ring import ring_ulysses_split

FLOAT32 = 4
LOGIT_BYTES = 2**28
"""Bytes of the logits that are live at once: `lwm_trainer.step.loss.DEFAULT_LOGIT_BYTES`, which is not imported because it needs JAX."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes of one device."""

    parameters: int
    optimizer: int
    """The optimizer's state, and the average of the parameters where one is kept."""
    gradients: int
    """The gradients of a step and, with gradient accumulation, of a part of it."""
    saved: int
    """Activations that layers save for their backward pass."""
    transient: int
    """The largest short-lived set of arrays: a layer's gathered parameters with its MLP, its ring, or the logits."""

    @property
    def total(self) -> int:
        return self.parameters + self.optimizer + self.gradients + self.saved + self.transient


def estimate_memory(run: RunConfig) -> MemoryEstimate:
    """Memory of a run whose `mesh.ulysses` is given."""
    model, mesh, memory = run.model, run.mesh, run.memory
    counts, width = parameter_counts(model), run.precision.compute_bytes
    shard = FLOAT32 * device_parameters(run)
    rows = run.rows // (mesh.dp * mesh.fsdp) // memory.gradient_accumulation_steps
    tokens = rows * run.context_length // mesh.sp
    key_heads = model.kv_heads * key_head_copies(model, mesh.tp)
    queries, keys, inner = (size // mesh.tp for size in (model.heads * model.head_dim, key_heads * model.head_dim, model.mlp_width))
    outputs = queries if mesh.ulysses in (None, 1) else 2 * queries  # sharded by heads, and again by tokens
    saved_bytes = {  # per token and layer
        "full": width * model.width,
        "attention": width * (model.width + queries),
        "qkv": width * (model.width + 2 * queries + 2 * keys),
        "products": width * (2 * model.width + 2 * queries + 2 * keys + (0 if memory.mlp_tile else 2 * inner)),
        # Each norm saves its input and the normalized stream in float32, and its output; SwiGLU saves six inner arrays.
        "none": 4 * FLOAT32 * model.width + width * (2 * model.width + queries + 2 * keys + outputs + 6 * inner),
        "offload": 0,
    }[memory.remat]
    ring = ring_ulysses_split.split_cost(
        model,
        mesh,
        mesh.ulysses or 1,
        activation_bytes=width,
        rows=run.rows // memory.gradient_accumulation_steps,
        context_length=run.context_length,
        devices_per_host=run.gang.devices_per_host,
        chip=ring_ulysses_split.DEVICE_RATES[run.gang.platform],
    )
    tile = tokens if memory.mlp_tile is None else rows * memory.mlp_tile // mesh.sp
    gathered = 2 * width * counts.layer // mesh.tp  # of this layer and the next one
    mlp = 2 * 3 * tile * inner * width  # gate, up and their product, and the gradients of these
    logits = min(LOGIT_BYTES, FLOAT32 * tokens * (counts.head // model.width) // mesh.tp)
    loss = (width + FLOAT32) * counts.head // mesh.tp + 2 * logits
    stream = 4 * tokens * model.width * width
    return MemoryEstimate(
        parameters=shard,
        optimizer=state_bytes(run) * device_parameters(run) // counts.total,
        gradients=shard * (2 if memory.gradient_accumulation_steps > 1 else 1),
        saved=model.layers * tokens * saved_bytes,
        transient=stream + gathered + max(mlp, ring.shard_bytes + 4 * tokens * queries * width, loss),
    )
