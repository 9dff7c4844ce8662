"""The optimizer of a stage and its learning rate."""

from typing import Annotated

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
