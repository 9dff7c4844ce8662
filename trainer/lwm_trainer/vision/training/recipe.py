"""The settings of a tokenizer's training."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from lwm_trainer.config import Contract, Optimizer
from lwm_trainer.vision.vqgan_config import VqganConfig

SMALL = VqganConfig(
    image_size=64, width=8, multipliers=(1, 2, 4, 6), blocks=1, groups=8, latent_width=32, codebook_size=1024, codebook_width=8
)
"""A tokenizer for examples: 64 codes a frame of 64 x 64 pixels, 0.44M parameters."""


class TrainingRecipe(Contract):
    """All that decides a training beside the files: two runs with the same make the same weights on one platform."""

    tokenizer: VqganConfig = SMALL
    steps: Annotated[int, Field(ge=1, le=100_000_000)] = 2000
    batch: Annotated[int, Field(ge=1, le=65536)] = 16
    """Crops of a step."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    optimizer: Optimizer = Optimizer(peak_learning_rate=2e-3, warmup_steps=20, weight_decay=0.0, beta2=0.95)
    gradient_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    """Weight of the loss of the pictures' gradients beside that of their values."""
    commitment_weight: Annotated[float, Field(ge=0, le=100)] = 0.25
    """Weight of the distance of the encoder's vectors to their codes."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the average of the weights, which is what is exported."""

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if self.tokenizer.quantiser in ("cosine", "product"):
            raise ValueError(f"tokenizer.quantiser: {self.tokenizer.quantiser} can be imported, but not trained: set nearest or fsq")
        return self
