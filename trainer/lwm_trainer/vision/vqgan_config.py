"""The sizes of a vision tokenizer. The defaults are LWM's."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lwm_trainer.config import Contract

Quantiser = Literal["nearest", "cosine", "product", "fsq"]
MIN_FSQ_LEVELS = 3
"""With two levels the published formula has no inverse (the shift is the atanh of a number above 1)."""


class VqganConfig(Contract):
    """A convolutional encoder and decoder around a codebook (VQGAN; Esser et al. 2021, arXiv 2012.09841)."""

    image_size: Annotated[int, Field(ge=8, le=4096)] = 256
    """Pixels of a frame's side. It decides how many codes a frame has, and where `attention_resolutions` lie."""
    width: Annotated[int, Field(ge=1, le=4096)] = 128
    """Channels at full resolution, times the first multiplier."""
    multipliers: Annotated[tuple[Annotated[int, Field(ge=1, le=64)], ...], Field(min_length=1, max_length=8)] = (1, 2, 2, 4, 6)
    """Channels of each level as multiples of `width`. Each level but the last halves the resolution."""
    blocks: Annotated[int, Field(ge=1, le=16)] = 2
    """Residual blocks of a level in the encoder. The decoder has one more."""
    attention_resolutions: tuple[int, ...] = ()
    """Resolutions, in positions of a side, at which each residual block is followed by attention over all positions."""
    mid_attention: bool = False
    """Whether attention stands between the two residual blocks in the middle."""
    groups: Annotated[int, Field(ge=1, le=1024)] = 32
    """Groups of the group norms."""
    latent_width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of the encoder's output."""
    quantiser: Quantiser = "nearest"
    """nearest: the code whose vector is nearest. cosine: the same between vectors of length 1. product: the code whose vector has the
    largest scalar product, as in IBQ. fsq: each channel is rounded to a level."""
    codebook_size: Annotated[int, Field(ge=2, le=1_048_574)] = 8192
    """Number of codes."""
    codebook_width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a code's vector; for fsq the number of levels."""
    fsq_levels: tuple[Annotated[int, Field(ge=MIN_FSQ_LEVELS, le=1024)], ...] = ()
    """Levels of each channel, for fsq only. Their product is `codebook_size`: 8, 8, 8, 4, 4 makes LWM's 8,192 codes."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each level, at full resolution first."""
        return tuple(self.width * multiplier for multiplier in self.multipliers)

    @property
    def grid(self) -> int:
        """Codes along a frame's side."""
        return self.image_size >> (len(self.multipliers) - 1)

    @property
    def codes_per_frame(self) -> int:
        return self.grid**2

    def has_attention(self, level: int) -> bool:
        """Whether the residual blocks of a level, 0 at full resolution, are followed by attention."""
        return self.image_size >> level in self.attention_resolutions

    @model_validator(mode="after")
    def _fits(self) -> Self:
        halvings = len(self.multipliers) - 1
        if self.image_size % 2**halvings:
            raise ValueError(f"imageSize: {self.image_size} cannot be halved {halvings} times: set a multiple of {2**halvings}")
        if uneven := [channels for channels in self.channels if channels % self.groups]:
            raise ValueError(f"groups: {uneven[0]} channels do not divide into {self.groups} groups: set a divisor of all levels' channels")
        resolutions = [self.image_size >> level for level in range(len(self.multipliers))]
        if unknown := sorted(set(self.attention_resolutions) - set(resolutions)):
            raise ValueError(f"attentionResolutions: no level has resolution {unknown[0]}: the levels have {resolutions}")
        if self.quantiser != "fsq" and self.fsq_levels:
            raise ValueError(f"fsqLevels: the quantiser is {self.quantiser}: remove them, or set quantiser: fsq")
        if self.quantiser == "fsq" and (math.prod(self.fsq_levels), len(self.fsq_levels)) != (self.codebook_size, self.codebook_width):
            raise ValueError(
                f"fsqLevels: {len(self.fsq_levels)} levels with product {math.prod(self.fsq_levels)}, but codebookWidth is"
                f" {self.codebook_width} and codebookSize {self.codebook_size}: make them equal"
            )
        return self
