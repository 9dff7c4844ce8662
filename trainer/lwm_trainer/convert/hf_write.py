"""Writes a step folder as a folder that transformers reads, with one parameter of a few layers in memory at a time.

safetensors' own writer wants all tensors of a file at once, and copies them: so its simple format is written here, and read in the tests
with its reader.
"""

import json
import os
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from etils import epath

from lwm_trainer import config
from lwm_trainer.convert.errors import WrongStepFolderError
from lwm_trainer.convert.finite import describe_not_finite
from lwm_trainer.convert.hf_read import INDEX, SINGLE
from lwm_trainer.convert.names import Parameter, model_parameters
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.convert.transposed import cast, copy_transposed

FORMATS = {"float32": "F32", "bfloat16": "BF16"}
"""safetensors' names of the types."""
ALIGNMENT = 8

TensorKey = tuple[Parameter, int]
"""A parameter and a layer: one tensor of the Hugging Face model."""


def write_weights(
    step: StepFolder, model: config.Model, out: epath.Path, dtype: Any, shard_bytes: int, progress: Callable[[int], None]
) -> None:
    """Write safetensors files, and their index if there are several.

    Args:
        dtype: of the tensors.
        shard_bytes: size of a file, at most, unless one tensor is larger.
        progress: called with the bytes of every tensor.

    Raises WrongStepFolderError for a value that is NaN, or infinite in `dtype`.
    """
    shards = plan_shards(model_parameters(model), dtype.itemsize, shard_bytes)
    out.mkdir(parents=True, exist_ok=True)
    names = [SINGLE] if len(shards) == 1 else [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, keys in zip(names, shards, strict=True):
            with (out / file).open("wb") as opened:
                opened.write(_header(keys, dtype))
                for tensor in _tensors(step, keys, dtype, pool):
                    opened.write(tensor.view(np.uint8).data)
                    progress(tensor.nbytes)
    if len(shards) > 1:
        count = sum(_count(parameter) for keys in shards for parameter, _ in keys)
        file_of = {parameter.name(layer): file for file, keys in zip(names, shards, strict=True) for parameter, layer in keys}
        index = {"metadata": {"total_size": count * dtype.itemsize, "total_parameters": count}, "weight_map": file_of}
        (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _by_parameter(keys: list[TensorKey]) -> dict[Parameter, list[int]]:
    """The layers of each parameter, which are consecutive."""
    layers: dict[Parameter, list[int]] = {}
    for parameter, layer in keys:
        layers.setdefault(parameter, []).append(layer)
    return layers


def _header(keys: list[TensorKey], dtype: Any) -> bytes:
    """What a file begins with: the length of a JSON object, and this, with type, shape and place of each tensor."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for parameter, layers in _by_parameter(keys).items():
        for layer in layers:
            begin, end = end, end + _count(parameter) * dtype.itemsize
            entries[parameter.name(layer)] = {"dtype": FORMATS[dtype.name], "shape": parameter.hf_shape, "data_offsets": [begin, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return struct.pack("<Q", len(text)) + text


def _tensors(step: StepFolder, keys: list[TensorKey], dtype: Any, pool: ThreadPoolExecutor) -> Iterator[np.ndarray[Any, Any]]:
    """The tensors of one file in the order of `_header`. Layers of one parameter are read at once, see `StepFolder.layer`."""
    for parameter, layers in _by_parameter(keys).items():
        values = step.layer(parameter, slice(layers[0], layers[-1] + 1))
        parts = [values] if parameter.layers is None else values
        tensors = pool.map(partial(to_hf_tensor, parameter, dtype=dtype), parts)
        for layer, value, tensor in zip(layers, parts, tensors, strict=True):
            if not np.isfinite(tensor).all():
                raise WrongStepFolderError(describe_not_finite(step.locate(parameter, layer), value, dtype, "copy"))
            yield tensor


def to_hf_tensor(parameter: Parameter, ours: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """One layer of a parameter in the axes of Hugging Face, as a contiguous array: safetensors ignores the strides of a transposed one."""
    if not parameter.kernel:
        return cast(ours, dtype)
    columns, rows = parameter.hf_shape
    transposed = np.empty((columns, rows), dtype)
    copy_transposed(transposed, ours.reshape(rows, columns).T)
    return transposed


def plan_shards(parameters: list[Parameter], itemsize: int, shard_bytes: int) -> list[list[TensorKey]]:
    """The tensors of each shard, layer after layer; a tensor larger than `shard_bytes` has a shard of its own."""
    keys = [(parameter, 0) for parameter in parameters if parameter.layers is None]
    stacked = [parameter for parameter in parameters if parameter.layers is not None]
    keys += [(parameter, layer) for layer in range(stacked[0].layers or 0) for parameter in stacked]
    shards: list[list[TensorKey]] = [[]]
    room = shard_bytes
    for parameter, layer in keys:
        size = _count(parameter) * itemsize
        if size > room and shards[-1]:
            shards.append([])
            room = shard_bytes
        shards[-1].append((parameter, layer))
        room -= size
    return shards


def _count(parameter: Parameter) -> int:
    return int(np.prod(parameter.shape))
