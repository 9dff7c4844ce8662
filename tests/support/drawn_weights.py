"""Weights that follow from a tensor's name and shape, so that references need no committed weights.

NumPy never changes what RandomState draws.
"""

import math
import zlib

import numpy as np
from numpy.typing import NDArray


def drawn(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Kernels and codebooks normal with deviation 1 / sqrt(inputs of an output), scales about 1, biases about 0."""
    values = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("bias"):
        values = 0.1 * values
    elif "norm" in name:
        values = 1 + 0.2 * values
    else:
        values = values / math.sqrt(math.prod(shape[1:]))
    return values.astype(np.float32)
