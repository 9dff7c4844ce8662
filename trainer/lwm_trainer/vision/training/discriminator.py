"""The discriminator, which tells crops from their reconstructions patch by patch, and the losses of both sides.

PatchGAN: Isola et al. 2016, arXiv 1611.07004, with group norms in place of batch norms, so that a crop is judged by itself. Hinge losses:
Lim and Ye 2017, arXiv 1705.02894. Adaptive weight: Esser et al. 2021, arXiv 2012.09841.

Letters: B frames, H, W rows and columns, C channels.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from lwm_trainer.vision.training.recipe import Discriminator

Params = dict[str, Any]
"""{"convolutions": {number: {"kernel", "bias"}}, "norms": {number: {"scale", "bias"}}}; norm n follows convolution n."""

KERNEL = 4
SLOPE = 0.2
"""Slope of the rectifiers below 0."""
DEVIATION = 0.02
"""Standard deviation of the kernels at first."""
GROUPS = 4
EPSILON = 1e-6
MAX_WIDENING = 8
"""Most channels of a layer, in those of the first."""
MAX_ADAPTIVE_WEIGHT = 1e4
_LEAST_GRADIENT = 1e-4


def layer_channels(settings: Discriminator) -> list[int]:
    """Channels of each convolution's output: `layers` that halve the resolution, one that does not, and the judgement."""
    widths = [settings.width * min(2**number, MAX_WIDENING) for number in range(settings.layers + 1)]
    return [*widths, 1]


def init_discriminator(settings: Discriminator, seed: int) -> Params:
    """Kernels normal with deviation 0.02, scales 1, biases 0."""
    channels = layer_channels(settings)
    convolutions, norms, inner = {}, {}, 3
    for number, outer in enumerate(channels):
        values = np.random.default_rng((seed, number)).standard_normal((KERNEL, KERNEL, inner, outer), np.float32)
        convolutions[number] = {"kernel": jnp.asarray(DEVIATION * values), "bias": jnp.zeros(outer)}
        if 0 < number < len(channels) - 1:
            norms[number] = {"scale": jnp.ones(outer), "bias": jnp.zeros(outer)}
        inner = outer
    return {"convolutions": convolutions, "norms": norms}


def judge(params: Params, pixel_BHWC: Array) -> Array:
    """The judgement of each patch, [B, h, w, 1]: high for what it takes for a real picture."""
    x: Any = pixel_BHWC
    last = len(params["convolutions"]) - 1
    for number, convolution in params["convolutions"].items():
        stride = 2 if number < last - 1 else 1
        x = lax.conv_general_dilated(x, convolution["kernel"], (stride, stride), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = x + convolution["bias"]
        if number in params["norms"]:
            x = _norm(params["norms"][number], x)
        if number < last:
            x = jax.nn.leaky_relu(x, SLOPE)
    judgement: Array = x
    return judgement


def _norm(params: Params, x_BHWC: Array) -> Array:
    batch, height, width, channels = x_BHWC.shape
    x = x_BHWC.reshape(batch, height, width, GROUPS, channels // GROUPS)
    x = x - jnp.mean(x, axis=(1, 2, 4), keepdims=True)
    x = x * lax.rsqrt(jnp.mean(jnp.square(x), axis=(1, 2, 4), keepdims=True) + EPSILON)
    scaled: Array = x.reshape(x_BHWC.shape) * params["scale"] + params["bias"]
    return scaled


def discriminator_loss(params: Params, true_BHWC: Array, made_BHWC: Array) -> Array:
    """Half of the mean shortfall of real crops below 1 and of the mean excess of made ones above -1; a scalar."""
    real, made = judge(params, true_BHWC), judge(params, made_BHWC)
    return 0.5 * (jnp.mean(jax.nn.relu(1 - real)) + jnp.mean(jax.nn.relu(1 + made)))


def adversarial_loss(params: Params, made_BHWC: Array) -> Array:
    """What the decoder lowers: minus the mean judgement of what it made; a scalar."""
    return -jnp.mean(judge(params, made_BHWC))


def adaptive_weight(reconstruction_gradient: Array, adversarial_gradient: Array) -> Array:
    """By how much the adversarial loss is multiplied, so that both losses pull equally at the decoder's last kernel.

    The arguments are the gradients of both losses by that kernel.
    """
    ratio = jnp.linalg.norm(reconstruction_gradient) / (jnp.linalg.norm(adversarial_gradient) + _LEAST_GRADIENT)
    return lax.stop_gradient(jnp.clip(ratio, 0, MAX_ADAPTIVE_WEIGHT))
