"""How a stage steps: optimizer, loss, and what it spends to save memory."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract


class Optimizer(Contract):
    """AdamW with linear warm-up and cosine decay to `finalFraction` of the peak. The defaults are Llama 7B's, without warm-up."""

    peak_learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Reached at the end of the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps of linear rise to the peak; as many as the stage has steps or more: all but its last one. 0: begins at the peak."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Of the peak, at the last step: 1 keeps the rate constant after the warm-up, 0 ends at zero."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Decoupled, times the learning rate; the norms' scales are spared."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the mean of gradients, per step; 0: no momentum."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay of the mean of squared gradients, per step."""
    clip_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Gradients whose global L2 norm is larger are scaled down to it."""


class Modalities(Contract):
    """The weights of the means over text and over vision targets in the loss."""

    text: Annotated[float, Field(ge=0, le=1000)] = 0.5
    """Of the mean over text targets. Default: LWM's."""
    vision: Annotated[float, Field(ge=0, le=1000)] = 0.5
    """Of the mean over vision targets. Default: LWM's."""


class Loss(Contract):
    """What is minimised: cross-entropy in nats a token, how tokens weigh in it, and what is added to it."""

    z_loss_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Of the z-loss, the squared log of the softmax's normaliser (PaLM: 1.0e-4): keeps logits from drifting. 0: none."""
    weighting: Literal["tokens", "examples"] = "tokens"
    """tokens: each target of the batch weighs the same. examples: each example does, however many of its tokens count, as if every one
    had a padded row to itself and rows were averaged: LWM's."""
    modalities: Modalities | None = Field(
        default=None,
        description="Text and vision are averaged apart and summed with these weights. Default: all targets are averaged together.",
    )
    missing_modality: Literal["skip", "count"] = "skip"
    """Examples without a target of a modality, where examples weigh alike. skip: they are not counted in its mean. count: they are, with a
    loss of zero, as LWM's code does."""


Remat = Literal["none", "qkv", "attention", "full", "offload"]


class Memory(Contract):
    """What a step spends to save device memory. The results are those of a step that saves nothing, but for float32 reordering."""

    remat: Remat = "attention"
    """What the backward pass rematerializes. none: nothing, every activation is kept. qkv: each layer keeps its input, queries, keys,
    values and attention's output. attention: each layer keeps its input and attention's output, so that ring attention runs once. full:
    each layer keeps its input only, so that ring attention runs again. offload: as attention, with the kept values in host memory."""
    mlp_tile: Annotated[int, Field(ge=1, le=16_777_216)] | None = Field(
        default=None,
        description="Tokens of a row whose MLP is computed at once: a divisor of contextLength, a multiple of mesh.sp. Default: all.",
    )
    gradient_accumulation_steps: Annotated[int, Field(ge=1, le=65536)] = 1
    """Parts that a step's rows are computed in, one after the other: a divisor of the rows of each dp x fsdp shard."""
