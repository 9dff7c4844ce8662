"""Writes a step folder as a folder that transformers reads, with one shard in memory at a time."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath
from safetensors.numpy import save

from lwm_trainer import config
from lwm_trainer.convert.errors import WrongStepFolderError
from lwm_trainer.convert.finite import describe_not_finite
from lwm_trainer.convert.hf_read import INDEX, SINGLE
from lwm_trainer.convert.names import Parameter, model_parameters
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.convert.transposed import copy_transposed

TensorKey = tuple[Parameter, int]
"""A parameter and a layer: one tensor of the Hugging Face model."""


def write_weights(
    step: StepFolder, model: config.Model, out: epath.Path, dtype: Any, shard_bytes: int, progress: Callable[[int], None]
) -> None:
    """Write safetensors files, and their index if there are several.

    Args:
        dtype: of the tensors.
        shard_bytes: size of a file, at most, unless one tensor is larger.
        progress: called with the bytes of every file.

    Raises WrongStepFolderError for a value that is NaN, or infinite in `dtype`.
    """
    shards = plan_shards(model_parameters(model), dtype.itemsize, shard_bytes)
    out.mkdir(parents=True, exist_ok=True)
    names = [SINGLE] if len(shards) == 1 else [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    for file, keys in zip(names, shards, strict=True):
        tensors = _tensors(step, keys, dtype)
        (out / file).write_bytes(save(tensors, metadata={"format": "pt"}))
        progress(sum(tensor.nbytes for tensor in tensors.values()))
    if len(shards) > 1:
        count = sum(_count(parameter) for keys in shards for parameter, _ in keys)
        file_of = {parameter.name(layer): file for file, keys in zip(names, shards, strict=True) for parameter, layer in keys}
        index = {"metadata": {"total_size": count * dtype.itemsize, "total_parameters": count}, "weight_map": file_of}
        (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _tensors(step: StepFolder, keys: list[TensorKey], dtype: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of one shard, by name. The layers of one parameter in a shard are consecutive, and are read at once."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for parameter in dict.fromkeys(parameter for parameter, _ in keys):
        layers = [layer for other, layer in keys if other == parameter]
        values = step.layer(parameter, slice(layers[0], layers[-1] + 1))
        for layer, value in zip(layers, [values] if parameter.layers is None else values, strict=True):
            tensor = to_hf_tensor(parameter, value, dtype)
            if not np.isfinite(tensor).all():
                raise WrongStepFolderError(describe_not_finite(step.locate(parameter, layer), value, dtype, "copy"))
            tensors[parameter.name(layer)] = tensor
    return tensors


def to_hf_tensor(parameter: Parameter, ours: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """One layer of a parameter in the axes of Hugging Face, as a contiguous array: safetensors ignores the strides of a transposed one."""
    if not parameter.kernel:
        return ours.astype(dtype)
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
