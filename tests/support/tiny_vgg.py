"""Weights with torchvision's names of VGG16, of two or three channels a layer."""

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision.training.perceptual import BLOCKS


def tiny_vgg(seed: int) -> dict[str, NDArray[np.float32]]:
    random, inner, tensors = np.random.default_rng(seed), 3, {}
    for block, numbers in enumerate(BLOCKS):
        outer = 2 + block % 2
        for number in numbers:
            tensors[f"features.{number}.weight"] = (random.standard_normal((outer, inner, 3, 3)) / 3).astype(np.float32)
            tensors[f"features.{number}.bias"] = (0.1 * random.standard_normal(outer)).astype(np.float32)
            inner = outer
    return tensors
