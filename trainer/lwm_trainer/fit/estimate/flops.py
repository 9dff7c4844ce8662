"""Floating-point operations of one step over all devices: those of the model, and those of the hardware, with recomputation.

A multiply-add counts as two. Norms, rotary embedding, softmax and optimizer are left out: less than one percent for a large model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm_trainer.config import Model, Remat, RunConfig, key_head_copies


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCounts:
    """Numbers of parameters of the whole model, by kind."""

    queries: int
    """Query, key and value projections of one layer."""
    output: int
    """Attention's output projection of one layer."""
    gates: int
    """The MLP's gate and up projections of one layer."""
    down: int
    """The MLP's down projection of one layer."""
    head: int
    """The output heads, that of the vision vocabulary included."""
    embedding: int
    """The embeddings, which are looked up and not multiplied; 0 for one that is tied to the head."""
    norms: int
    layers: int

    @property
    def layer(self) -> int:
        """Parameters of the matrices of one layer."""
        return self.queries + self.output + self.gates + self.down

    @property
    def total(self) -> int:
        return self.layers * self.layer + self.head + self.embedding + self.norms


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFlops:
    """FLOPs of one step. `model` counts for model FLOPs utilization (MFU); the others are those of the hardware, with recomputation."""

    model: int
    layers: int
    """Matrix products of the layers."""
    attention: int
    """Attention scores and weighted values."""
    loss: int
    """Matrix products of the head."""

    @property
    def hardware(self) -> int:
        return self.layers + self.attention + self.loss


def parameter_counts(model: Model) -> ParameterCounts:
    """Count the parameters of a model."""
    inner = model.heads * model.head_dim
    vocabulary = model.vocab_size * model.width
    vision = 0 if model.vision is None else model.vision.vocab_size * model.width
    return ParameterCounts(
        queries=model.width * (inner + 2 * model.kv_heads * model.head_dim),
        output=inner * model.width,
        gates=2 * model.width * model.mlp_width,
        down=model.mlp_width * model.width,
        head=vocabulary + vision,
        embedding=(0 if model.tied_embeddings else vocabulary) + vision,
        norms=(2 * model.layers + 1) * model.width,
        layers=model.layers,
    )


def copied_parameters(run: RunConfig) -> int:
    """Parameters of a layer that all devices of tp have, because there are fewer key heads than devices."""
    copied = key_head_copies(run.model, run.mesh.tp) > 1
    return 2 * run.model.width * run.model.kv_heads * run.model.head_dim if copied else 0


def device_parameters(run: RunConfig) -> int:
    """Parameters of one device."""
    total, copied = parameter_counts(run.model).total, run.model.layers * copied_parameters(run)
    return (total + (run.mesh.tp - 1) * copied) // (run.mesh.fsdp * run.mesh.sp * run.mesh.tp)


def recomputed_parameters(counts: ParameterCounts, remat: Remat) -> int:
    """Parameters of a layer whose matrix products are recomputed in the backward pass.

    The down projection never is: the backward pass does not read its result, and the compiler removes it.
    """
    if remat in ("none", "products"):
        return 0
    return counts.output + counts.gates + (0 if remat == "qkv" else counts.queries)


def step_flops(run: RunConfig, documents: Sequence[int] | None = None) -> StepFlops:
    """The FLOPs of one step.

    Args:
        documents: lengths in tokens of all documents of a step; None: one document per row. Attention is causal within each document.

    Raises ValueError when the lengths do not sum to `batch_tokens`.
    """
    lengths = [run.context_length] * run.rows if documents is None else documents
    if sum(lengths) != run.batch_tokens:
        raise ValueError(f"documents: their lengths sum to {sum(lengths)}, not to batchTokens {run.batch_tokens}: give those of one step")
    counts, tokens = parameter_counts(run.model), run.batch_tokens
    again = (key_head_copies(run.model, run.mesh.tp) - 1) * copied_parameters(run)
    # Two matrix products of 2 x length^2 x heads x headDim, half of each masked.
    forward = 2 * run.model.layers * run.model.heads * run.model.head_dim * sum(length**2 for length in lengths)
    recomputed = recomputed_parameters(counts, run.memory.remat)
    return StepFlops(
        model=6 * tokens * (run.model.layers * counts.layer + counts.head) + 3 * forward,
        layers=tokens
        * run.model.layers
        * (6 * counts.layer + 2 * recomputed + (6 + 2 * (run.memory.remat not in ("none", "products", "qkv"))) * again),
        # The backward pass recomputes the scores and has four more products: five halves of the forward pass.
        attention=forward * (9 if run.memory.remat == "full" else 7) // 2,
        loss=tokens * counts.head * 6,  # logits, computed once, and two gradients
    )
