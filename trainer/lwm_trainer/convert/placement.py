"""Loads parameters onto a mesh, slice by slice: a host reads and holds only what its own devices hold. Or streams them, layer by layer."""

import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.finite import describe_not_finite
from lwm_trainer.convert.names import Parameter, model_parameters
from lwm_trainer.convert.streamed_save import StreamedArray
from lwm_trainer.convert.transposed import all_finite, copy_transposed
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh

Index = tuple[slice, ...]
"""A part of one layer of a parameter, in the axes of `lwm_trainer.model`; starts and stops are given."""


class ParameterReader(Protocol):
    """A checkpoint of another project. Several threads read it at once."""

    def read(self, parameter: Parameter, layer: int, index: Index) -> np.ndarray[Any, Any]:
        """Read a part of one layer of a parameter, in the axes of `lwm_trainer.model` and in the dtype of the file."""

    def locate(self, parameter: Parameter, layer: int) -> str:
        """The file and tensor of one layer of a parameter, for messages."""


def load_parameters(
    model: config.Model, reader: ParameterReader, device_mesh: jax.sharding.Mesh, dtype: str, progress: Callable[[int], None]
) -> llama.Params:
    """Load all parameters as global arrays of `dtype`, sharded as in training; `progress` is called with the bytes of every slice."""
    shardings = jax.tree.leaves(mesh.parameter_shardings(device_mesh, model))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        arrays = [
            _load(parameter, reader, sharding, jnp.dtype(dtype), progress, pool)
            for parameter, sharding in zip(model_parameters(model), shardings, strict=True)
        ]
    return jax.tree.unflatten(jax.tree.structure(llama.abstract(model)), arrays)  # type: ignore[no-any-return]


def stream_parameters(model: config.Model, reader: ParameterReader, dtype: str) -> Any:
    """A tree like the model's parameters that reads each layer when it is written, see `write_step`."""

    def streamed(parameter: Parameter) -> StreamedArray:
        def read(layer: int) -> np.ndarray[Any, Any]:
            values = np.empty(parameter.shape, jnp.dtype(dtype))
            _read_into(values, parameter, reader, layer, tuple(slice(0, size) for size in parameter.shape))
            return values

        return StreamedArray(shape=parameter.stacked_shape, dtype=jnp.dtype(dtype), layers=parameter.layers, read=read)

    leaves = [streamed(parameter) for parameter in model_parameters(model)]
    return jax.tree.unflatten(jax.tree.structure(llama.abstract(model)), leaves)


def _load(
    parameter: Parameter, reader: ParameterReader, sharding: Any, dtype: Any, progress: Callable[[int], None], pool: ThreadPoolExecutor
) -> jax.Array:
    def read_shard(index: Any) -> np.ndarray[Any, Any]:
        bounds = tuple(slice(*axis.indices(size)[:2]) for axis, size in zip(index, parameter.stacked_shape, strict=True))
        inner = bounds if parameter.layers is None else bounds[1:]
        layers = range(1) if parameter.layers is None else range(bounds[0].start, bounds[0].stop)
        shard = np.empty([axis.stop - axis.start for axis in (slice(0, len(layers)), *inner)], dtype)

        def read_row(row: int) -> int:
            return _read_into(shard[row], parameter, reader, layers[row], inner)

        for size in pool.map(read_row, range(len(layers))):
            progress(size)
        return shard[0] if parameter.layers is None else shard

    return jax.make_array_from_callback(parameter.stacked_shape, sharding, read_shard)


def _read_into(out: np.ndarray[Any, Any], parameter: Parameter, reader: ParameterReader, layer: int, index: Index) -> int:
    """Read a part of one layer of a parameter, in the dtype of `out`; returns the bytes read. Raises ConversionError if not all finite."""
    values = reader.read(parameter, layer, index)
    copy_transposed(out, values)
    if not all_finite(out):
        raise _not_finite(parameter, reader, layer, out.dtype)
    return values.nbytes


def _not_finite(parameter: Parameter, reader: ParameterReader, layer: int, dtype: Any) -> ConversionError:
    """The error for a tensor with values that are not finite; counts them in the whole tensor, not in one device's part."""
    values = reader.read(parameter, layer, tuple(slice(0, size) for size in parameter.shape))
    return ConversionError(describe_not_finite(reader.locate(parameter, layer), values, dtype, "download"))


class Progress:
    """Prints the progress of a conversion to standard error, about once a second."""

    def __init__(self, label: str, total: int) -> None:
        """`total`: bytes of the conversion."""
        self._label, self._total, self._done = label, total, 0
        self._begun = self._printed_at = time.monotonic()

    def __call__(self, size: int) -> None:
        self._done += size
        if time.monotonic() - self._printed_at >= 1:
            self.print()

    def print(self) -> None:
        """Print the progress now."""
        self._printed_at = time.monotonic()
        rate = self._done / max(self._printed_at - self._begun, 1e-3) / 1e9
        print(f"{self._label}: {self._done / 1e9:.3f} of {self._total / 1e9:.3f} GB, {rate:.2f} GB/s", file=sys.stderr, flush=True)
