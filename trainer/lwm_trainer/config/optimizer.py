"""The optimizer of a stage and its learning rate."""

from typing import Annotated

from pydantic import Field

from lwm_trainer.config.contract import Contract


class Optimizer(Contract):
    """AdamW with linear warm-up and cosine decay. The defaults are those of Llama 7B, without warm-up."""

    peak_learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    """Learning rate at the end of the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Steps of the linear warm-up, at most all steps of the stage but the last. 0: the stage starts at the peak."""
    final_fraction: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Learning rate at the last step as a fraction of the peak. 1: constant after the warm-up. 0: decay to zero."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Decoupled weight decay, multiplied by the learning rate. Norm scales are not decayed."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay rate of the first moment. 0: no momentum."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Decay rate of the second moment."""
    clip_norm: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Maximum global L2 norm of the gradients. Larger gradients are scaled down to it."""
