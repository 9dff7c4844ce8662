"""The settings of a tokenizer's training."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from lwm_trainer.config import Contract, Optimizer
from lwm_trainer.vision.vqgan_config import VqganConfig

SMALL = VqganConfig(
    image_size=64, width=8, multipliers=(1, 2, 4, 6), blocks=1, groups=8, latent_width=32, codebook_size=1024, codebook_width=8
)
"""A tokenizer for examples: 64 codes a frame of 64 x 64 pixels, 0.44M parameters."""


MIN_PERCEPTUAL_SIDE = 16
"""Pixels of a side, below which the last block of VGG16 has none."""
MIN_PATCHES = 3
"""Positions of a side after the discriminator's halvings, of which its last two layers leave one."""


class Perceptual(Contract):
    """A loss of features of VGG16 beside that of pixels."""

    weights: Annotated[str, Field(min_length=1, max_length=1024)]
    """Safetensors file with torchvision's names of VGG16: a path or gs://…"""
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0


class Discriminator(Contract):
    """A second network, which learns to tell crops from reconstructions, and against which the decoder is trained."""

    start_step: Annotated[int, Field(ge=0, le=100_000_000)] = 20_000
    """Steps before it begins: it would otherwise win against a decoder that knows nothing."""
    weight: Annotated[float, Field(gt=0, le=100)] = 0.5
    """Weight of its loss, after both losses were made equal at the decoder's last kernel."""
    width: Annotated[int, Field(ge=4, le=1024, multiple_of=4)] = 64
    """Channels of its first layer."""
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    """Layers that halve the resolution: they decide how large the patches are."""


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
    perceptual: Perceptual | None = None
    discriminator: Discriminator | None = None
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the average of the weights, which is what is exported."""

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if self.tokenizer.quantiser in ("cosine", "product"):
            raise ValueError(f"tokenizer.quantiser: {self.tokenizer.quantiser} can be imported, but not trained: set nearest or fsq")
        side = self.tokenizer.image_size
        if self.perceptual is not None and side < MIN_PERCEPTUAL_SIDE:
            raise ValueError(f"perceptual: VGG16 needs frames of {MIN_PERCEPTUAL_SIDE} pixels a side, not {side}: remove it")
        if self.discriminator is not None and side >> self.discriminator.layers < MIN_PATCHES:
            raise ValueError(f"discriminator.layers: frames of {side} pixels cannot be halved {self.discriminator.layers} times: lower it")
        if self.discriminator is not None and self.discriminator.start_step >= self.steps:
            start = self.discriminator.start_step
            raise ValueError(f"discriminator.startStep: {start} is not below steps, {self.steps}: lower it or remove discriminator")
        return self
