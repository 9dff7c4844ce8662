"""Which channels of a head rotate together: half a head apart here and in Hugging Face files, neighbours in LWM's and Meta's."""

from typing import Any

import numpy as np

from lwm_trainer.convert.names import Parameter
from lwm_trainer.convert.placement import Index, ParameterReader

ROTATED = ("query", "key")
"""Values are not rotated, so their channels keep their order."""


class HalfSplitReader:
    """Reads a checkpoint of interleaved pairs as half-split."""

    def __init__(self, inner: ParameterReader) -> None:
        self._inner = inner

    def read(self, parameter: Parameter, layer: int, index: Index) -> np.ndarray[Any, Any]:
        """Read a part of a parameter, see `ParameterReader`."""
        if parameter.path[-1] not in ROTATED:
            return self._inner.read(parameter, layer, index)
        channels = parameter.shape[-1]
        part = self._inner.read(parameter, layer, (*index[:-1], slice(0, channels)))
        paired = part.reshape(*part.shape[:-1], channels // 2, 2)
        halved: np.ndarray[Any, Any] = paired.swapaxes(-1, -2).reshape(part.shape)
        return halved[..., index[-1]]

    def locate(self, parameter: Parameter, layer: int) -> str:
        """The file and tensor, see `ParameterReader`."""
        return self._inner.locate(parameter, layer)


def read_half_split(reader: ParameterReader, rotation: str) -> ParameterReader:
    """A reader of half-split pairs from one whose file has this rotation, "half" or "interleaved"."""
    return HalfSplitReader(reader) if rotation == "interleaved" else reader
