"""The distance of two pictures as a network for recognition sees them: features of VGG16, without learned weights of LPIPS.

VGG16: Simonyan and Zisserman 2014, arXiv 1409.1556. The distance: Zhang et al. 2018, arXiv 1801.03924, with equal weights of all channels.

Letters: B frames, H, W rows and columns, C channels.
"""

import hashlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
import numpy as np
from jax import Array, lax
from safetensors import SafetensorError
from safetensors.numpy import load

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.storage.files import list_files, open_file
from lwm_trainer.vision.weights.tokenizer_file import require_finite

BLOCKS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Numbers of the convolutions of each block in torchvision's `vgg16().features`; after each block but the last, pixels are halved."""
UNUSED = "classifier."
"""How the names of the layers after the convolutions begin, which are left out."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and deviation of red, green and blue from 0 to 1: what torchvision's weights were trained with."""
_SHORTEST = 1e-10

Trunk = list[list[dict[str, Array]]]
"""Blocks of convolutions with "kernel" [3, 3, in, out] and "bias" [out]."""


class TrunkFile(NamedTuple):
    trunk: Trunk
    digest: str
    """SHA-256 of the file."""


def read_trunk(uri: str) -> TrunkFile:
    """The convolutions of a safetensors file with torchvision's names of VGG16.

    Raises DataCorruptError, which names the file, and the tensor that is missing, unknown or of another shape; the errors of storage.
    """
    listing = list_files(uri)
    if len(listing.entries) != 1 or not uri.endswith(listing.entries[0].name):
        raise DataCorruptError(f"{uri}: is a folder: name a safetensors file with the weights of torchvision's vgg16")
    with open_file(listing, listing.entries[0]) as opened:
        content = opened.read()
    try:
        return TrunkFile(_convolutions(load(content)), hashlib.sha256(content).hexdigest())
    except (SafetensorError, ValueError) as error:
        fix = "save the state_dict of torchvision's vgg16 as safetensors"
        raise DataCorruptError(f"{uri}: no weights of VGG16 ({error}): {fix}") from error


def _convolutions(tensors: dict[str, np.ndarray[Any, Any]]) -> Trunk:
    trunk, known, inner = [], set(), 3
    for block in BLOCKS:
        convolutions = []
        for number in block:
            names = {part: f"features.{number}.{part}" for part in ("weight", "bias")}
            known |= set(names.values())
            if missing := [name for name in names.values() if name not in tensors]:
                raise ValueError(f"tensor {missing[0]} is missing")
            weight, bias = (require_finite(name, tensors[name]) for name in names.values())
            if weight.shape != (*bias.shape, inner, 3, 3):
                raise ValueError(f"tensor {names['weight']} is {weight.shape}, and the layer before has {inner} channels")
            inner = len(bias)
            convolutions.append({"kernel": jnp.asarray(weight.transpose(2, 3, 1, 0)), "bias": jnp.asarray(bias)})
        trunk.append(convolutions)
    if extra := sorted(name for name in tensors.keys() - known if not name.startswith(UNUSED)):
        raise ValueError(f"tensor {extra[0]} and {len(extra) - 1} more do not belong to it")
    return trunk


def perceptual_loss(trunk: Trunk, made_BHWC: Array, true_BHWC: Array) -> Array:
    """The sum over blocks of the mean over positions of the squared distance of features, each of length 1; a scalar.

    Args:
        made_BHWC: from about -1 to 1, as the decoder gives it.
    """
    total = jnp.zeros(())
    for made, true in zip(_features(trunk, made_BHWC), _features(trunk, true_BHWC), strict=True):
        total += jnp.mean(jnp.sum(jnp.square(_unit(made) - _unit(true)), axis=-1))
    return total


def _features(trunk: Trunk, pixel_BHWC: Array) -> list[Array]:
    """The values after the last rectifier of each block."""
    x, outputs = ((pixel_BHWC + 1) / 2 - jnp.array(MEAN)) / jnp.array(DEVIATION), []
    for number, block in enumerate(trunk):
        if number:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        for convolution in block:
            x = lax.conv_general_dilated(x, convolution["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + convolution["bias"])
        outputs.append(x)
    return outputs


def _unit(x_BHWC: Array) -> Array:
    """Vectors of length 1 along channels; the root's gradient at 0 is kept finite."""
    return x_BHWC / (jnp.sqrt(jnp.sum(jnp.square(x_BHWC), axis=-1, keepdims=True) + _SHORTEST**2) + _SHORTEST)
