"""The parts of the vision tokenizer's network as Flax NNX modules.

All matrix work has the highest precision: an accelerator may otherwise round float32 operands to bfloat16 (TPU) or TF32 (GPU), and the
codes of a frame would depend on the platform. For bfloat16 operands it changes nothing. Modules declare shapes; `vqgan.init` draws values.

Letters: B frames, H, W rows and columns of positions, C channels, N positions.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array, lax

from lwm_trainer.vision.vqgan_config import VqganConfig

PRECISION = lax.Precision.HIGHEST
EPSILON = 1e-6
"""That of the group norms in this family; torch's default is another."""


class Conv(nnx.Module):
    """A convolution with bias; kernel [height, width, in, out]. Values outside the frame are 0."""

    def __init__(self, inner: int, outer: int, size: int) -> None:
        self.kernel = nnx.Param(jnp.zeros((size, size, inner, outer), jnp.float32))
        self.bias = nnx.Param(jnp.zeros(outer, jnp.float32))

    def __call__(self, x_BHWC: Array, *, halve: bool = False) -> Array:
        """`halve`: every second position, with one row and column of 0 to the right and below only."""
        dtype, size = x_BHWC.dtype, self.kernel.shape[0]
        padding = [(0, 1)] * 2 if halve else [(size // 2, size // 2)] * 2
        strides = (2, 2) if halve else (1, 1)
        kernel = self.kernel[...].astype(dtype)
        out = lax.conv_general_dilated(x_BHWC, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=PRECISION)
        return out + self.bias[...].astype(dtype)


class GroupNorm(nnx.Module):
    """Group norm (Wu and He 2018, arXiv 1803.08494) over positions and the channels of a group, computed in float32."""

    def __init__(self, channels: int, groups: int) -> None:
        self.scale = nnx.Param(jnp.ones(channels, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(channels, jnp.float32))
        self.groups = groups

    def __call__(self, x_BHWC: Array) -> Array:
        batch, height, width, channels = x_BHWC.shape
        x = x_BHWC.astype(jnp.float32).reshape(batch, height, width, self.groups, channels // self.groups)
        x = x - jnp.mean(x, axis=(1, 2, 4), keepdims=True)
        x = x * lax.rsqrt(jnp.mean(jnp.square(x), axis=(1, 2, 4), keepdims=True) + EPSILON)
        x = x.reshape(x_BHWC.shape) * self.scale[...] + self.bias[...]
        return x.astype(x_BHWC.dtype)


class ResidualBlock(nnx.Module):
    """Two convolutions, each after norm and SiLU, added to the input; a 1x1 convolution of the input where the channels change."""

    def __init__(self, inner: int, outer: int, groups: int) -> None:
        self.norm1 = GroupNorm(inner, groups)
        self.conv1 = Conv(inner, outer, 3)
        self.norm2 = GroupNorm(outer, groups)
        self.conv2 = Conv(outer, outer, 3)
        if inner != outer:
            self.shortcut = Conv(inner, outer, 1)
        self.is_widening = inner != outer

    def __call__(self, x_BHWC: Array) -> Array:
        out = self.conv1(jax.nn.silu(self.norm1(x_BHWC)))
        out = self.conv2(jax.nn.silu(self.norm2(out)))
        return (self.shortcut(x_BHWC) if self.is_widening else x_BHWC) + out


class Attention(nnx.Module):
    """Self-attention with one head over all positions of a frame, added to the input; softmax in float32."""

    def __init__(self, channels: int, groups: int) -> None:
        self.norm = GroupNorm(channels, groups)
        self.query, self.key, self.value, self.output = (Conv(channels, channels, 1) for _ in range(4))

    def __call__(self, x_BHWC: Array) -> Array:
        normed = self.norm(x_BHWC)
        q_BNC, k_BNC, v_BNC = (_flat(part(normed)) for part in (self.query, self.key, self.value))
        scores_BNN = jnp.einsum("bnc,bmc->bnm", q_BNC, k_BNC, precision=PRECISION).astype(jnp.float32)
        weights_BNN = jax.nn.softmax(scores_BNN * q_BNC.shape[-1] ** -0.5, axis=-1).astype(x_BHWC.dtype)
        mixed_BNC = jnp.einsum("bnm,bmc->bnc", weights_BNN, v_BNC, precision=PRECISION)
        return x_BHWC + self.output(mixed_BNC.reshape(x_BHWC.shape))


def _flat(x_BHWC: Array) -> Array:
    batch, height, width, channels = x_BHWC.shape
    return x_BHWC.reshape(batch, height * width, channels)


class Level(nnx.Module):
    """Residual blocks at one resolution, each followed by attention if the config says so, and a convolution before or after resizing."""

    def __init__(self, config: VqganConfig, level: int, inner: int, blocks: int, resizes: bool) -> None:
        outer = config.channels[level]
        inputs = [inner, *[outer] * (blocks - 1)]
        self.blocks = nnx.List([ResidualBlock(channels, outer, config.groups) for channels in inputs])
        attended = blocks if config.has_attention(level) else 0
        self.attentions = nnx.List([Attention(outer, config.groups) for _ in range(attended)])
        if resizes:
            self.resize = Conv(outer, outer, 3)

    def __call__(self, x_BHWC: Array) -> Array:
        """Without the convolution `resize`, which the encoder and the decoder use in their own way."""
        for number, block in enumerate(self.blocks):
            x_BHWC = block(x_BHWC)
            if self.attentions:
                x_BHWC = self.attentions[number](x_BHWC)
        return x_BHWC


class Middle(nnx.Module):
    """Two residual blocks at the lowest resolution, with attention in between if the config says so."""

    def __init__(self, config: VqganConfig) -> None:
        channels = config.channels[-1]
        self.blocks = nnx.List([ResidualBlock(channels, channels, config.groups) for _ in range(2)])
        self.attentions = nnx.List([Attention(channels, config.groups)] if config.mid_attention else [])

    def __call__(self, x_BHWC: Array) -> Array:
        x_BHWC = self.blocks[0](x_BHWC)
        for attention in self.attentions:
            x_BHWC = attention(x_BHWC)
        return self.blocks[1](x_BHWC)


class Encoder(nnx.Module):
    """Pixels [B, image, image, 3] to vectors [B, grid, grid, codebook width]."""

    def __init__(self, config: VqganConfig) -> None:
        channels, last = config.channels, len(config.channels) - 1
        self.conv_in = Conv(3, channels[0], 3)
        inputs = [channels[0], *channels[:-1]]
        self.levels = nnx.List([Level(config, level, inputs[level], config.blocks, level < last) for level in range(len(channels))])
        self.middle = Middle(config)
        self.norm_out = GroupNorm(channels[-1], config.groups)
        self.conv_out = Conv(channels[-1], config.latent_width, 3)
        self.to_codebook = Conv(config.latent_width, config.codebook_width, 1)

    def __call__(self, x_BHWC: Array) -> Array:
        x_BHWC = self.conv_in(x_BHWC)
        for number, level in enumerate(self.levels):
            x_BHWC = level(x_BHWC)
            if number < len(self.levels) - 1:
                x_BHWC = level.resize(x_BHWC, halve=True)
        x_BHWC = self.conv_out(jax.nn.silu(self.norm_out(self.middle(x_BHWC))))
        return self.to_codebook(x_BHWC)


class Decoder(nnx.Module):
    """Vectors [B, grid, grid, codebook width] to pixels [B, image, image, 3], float32: the last norm and convolution are computed in it."""

    def __init__(self, config: VqganConfig) -> None:
        channels, last = config.channels, len(config.channels) - 1
        self.from_codebook = Conv(config.codebook_width, config.latent_width, 1)
        self.conv_in = Conv(config.latent_width, channels[-1], 3)
        self.middle = Middle(config)
        inputs = [*channels[1:], channels[-1]]
        # Index 0 is the lowest resolution, as in the checkpoints of this family.
        self.levels = nnx.List([Level(config, level, inputs[level], config.blocks + 1, level > 0) for level in range(last, -1, -1)])
        self.norm_out = GroupNorm(channels[0], config.groups)
        self.conv_out = Conv(channels[0], 3, 3)

    def __call__(self, x_BHWC: Array) -> Array:
        x_BHWC = self.middle(self.conv_in(self.from_codebook(x_BHWC)))
        for number, level in enumerate(self.levels):
            x_BHWC = level(x_BHWC)
            if number < len(self.levels) - 1:
                x_BHWC = level.resize(_double(x_BHWC))
        return self.conv_out(jax.nn.silu(self.norm_out(x_BHWC.astype(jnp.float32))))


def _double(x_BHWC: Array) -> Array:
    """Every position twice along both axes."""
    return jnp.repeat(jnp.repeat(x_BHWC, 2, axis=1), 2, axis=2)


class Vqgan(nnx.Module):
    """Encoder, decoder and, unless the codes are those of FSQ, a table of the codes' vectors."""

    def __init__(self, config: VqganConfig) -> None:
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        if config.quantiser != "fsq":
            self.codebook = nnx.Param(jnp.zeros((config.codebook_size, config.codebook_width), jnp.float32))
