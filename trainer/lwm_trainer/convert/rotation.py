"""Pairs of channels that rotate together: ours and Hugging Face's are half a head apart, LWM's and Meta's are neighbours."""

from typing import Any

import numpy as np

from lwm_trainer.convert.names import Leaf
from lwm_trainer.convert.placement import Index, Source

ROTATIONS = ("half", "interleaved")
ROTATED = ("query", "key")
"""Values are not rotated, so their channels stay."""


class Halved:
    """A source of interleaved pairs, read as half-split."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner

    def read(self, leaf: Leaf, layer: int, index: Index) -> np.ndarray[Any, Any]:
        if leaf.path[-1] not in ROTATED:
            return self._inner.read(leaf, layer, index)
        channels = leaf.shape[-1]
        part = self._inner.read(leaf, layer, (*index[:-1], slice(0, channels)))
        paired = part.reshape(*part.shape[:-1], channels // 2, 2)
        halved: np.ndarray[Any, Any] = paired.swapaxes(-1, -2).reshape(part.shape)
        return halved[..., index[-1]]


def rotated(source: Source, rotation: str) -> Source:
    return Halved(source) if rotation == "interleaved" else source
