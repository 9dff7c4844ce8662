"""The loss of a stage: how targets weigh in it."""

from typing import Annotated, Literal

from pydantic import Field

from lwm_trainer.config.contract import Contract


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
