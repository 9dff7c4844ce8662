"""Floating-point operations of one step over all devices: what the model needs, and what the hardware computes to save memory.

A multiply-add counts as two. Norms, rotary embedding, softmax and the optimizer are left out: under one percent of a large model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lwm_trainer.config import Model, Remat, RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Numbers of parameters, of the whole model and not of one device's shard."""

    queries: int
    """Query, key and value projections of one layer."""
    output: int
    """Attention's output projection of one layer."""
    gates: int
    """The MLP's gate and up projections of one layer."""
    down: int
    """The MLP's down projection of one layer."""
    head: int
    """From the stream to logits, vision's included."""
    embedding: int
    """AttemptObservation up and not multiplied; none of its own when it is tied to the head."""
    norms: int
    layers: int

    @property
    def layer(self) -> int:
        """Matrices of one layer."""
        return self.queries + self.output + self.gates + self.down

    @property
    def total(self) -> int:
        return self.layers * self.layer + self.head + self.embedding + self.norms


@dataclass(frozen=True, slots=True, kw_only=True)
class Flops:
    """Of one step. `model` is what utilisation (MFU) counts; the others are what the hardware computes, recomputation included."""

    model: int
    layers: int
    """Matrix products of the layers."""
    attention: int
    """Scores and weighted values."""
    loss: int
    """Matrix products of the head."""

    @property
    def hardware(self) -> int:
        return self.layers + self.attention + self.loss


def weights(model: Model) -> Weights:
    inner = model.heads * model.head_dim
    vocabulary = model.vocab_size * model.width
    vision = 0 if model.vision is None else model.vision.vocab_size * model.width
    return Weights(
        queries=model.width * (inner + 2 * model.kv_heads * model.head_dim),
        output=inner * model.width,
        gates=2 * model.width * model.mlp_width,
        down=model.mlp_width * model.width,
        head=vocabulary + vision,
        embedding=(0 if model.tied_embeddings else vocabulary) + vision,
        norms=(2 * model.layers + 1) * model.width,
        layers=model.layers,
    )


def recomputed(each: Weights, remat: Remat) -> int:
    """Parameters of a layer whose products run once more in the backward pass.

    The down projection never does: nothing in the backward pass reads what it gives, and the compiler drops it.
    """
    if remat == "none":
        return 0
    return each.output + each.gates + (0 if remat == "qkv" else each.queries)


def flops(run: RunConfig, documents: Sequence[int] | None = None) -> Flops:
    """Of one step.

    Args:
        documents: lengths in tokens of all documents of a step's rows; None: one document a row. Attention is causal within each.

    Raises ValueError when the lengths do not sum to `batch_tokens`.
    """
    lengths = [run.context_length] * run.rows if documents is None else documents
    if sum(lengths) != run.batch_tokens:
        raise ValueError(f"documents: their lengths sum to {sum(lengths)}, not to batchTokens {run.batch_tokens}: give those of one step")
    each, tokens = weights(run.model), run.batch_tokens
    # Two matrix products of 2 x length^2 x heads x headDim, half of each behind the causal mask.
    forward = 2 * run.model.layers * run.model.heads * run.model.head_dim * sum(length**2 for length in lengths)
    again = recomputed(each, run.memory.remat)
    return Flops(
        model=6 * tokens * (run.model.layers * each.layer + each.head) + 3 * forward,
        layers=tokens * run.model.layers * (6 * each.layer + 2 * again),
        # The backward pass computes scores again beside its four products, so it costs five halves of the forward pass.
        attention=forward * (9 if run.memory.remat == "full" else 7) // 2,
        loss=tokens * each.head * 6,  # logits, computed once, and two gradients
    )
