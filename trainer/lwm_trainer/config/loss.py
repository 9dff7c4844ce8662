"""The loss of a stage: how targets weigh in it."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract


class Modalities(Contract):
    """Weights of the text mean and the vision mean in the loss."""

    text: Annotated[float, Field(ge=0, le=1000)] = 0.5
    """Weight of the mean over text targets. Default: LWM's value."""
    vision: Annotated[float, Field(ge=0, le=1000)] = 0.5
    """Weight of the mean over vision targets. Default: LWM's value."""


class Loss(Contract):
    """The loss: cross-entropy in nats per token, its weighting, and the z-loss."""

    z_loss_weight: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Weight of the z-loss, the squared log of the softmax normalizer. It keeps logits from drifting. PaLM uses 1.0e-4. 0: no z-loss."""
    weighting: Literal["tokens", "examples"] = "tokens"
    """tokens: each target token has equal weight. examples: each example has equal weight, as if every example had its own padded row; LWM
    uses this."""
    modalities: Modalities | None = Field(
        default=None,
        description="Separate means over text and vision targets, summed with these weights. Default: one mean over all targets.",
    )
    missing_modality: Literal["skip", "count"] = "skip"
    """Examples without targets of a modality, with weighting examples. skip: the modality's mean leaves them out. count: they count with a
    loss of zero, as in LWM's code."""
