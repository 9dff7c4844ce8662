"""A step folder into a folder that transformers reads, one shard in memory at a time."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
from etils import epath
from safetensors.numpy import save

from lwm_trainer.convert.config_json import Described, write_config
from lwm_trainer.convert.hf_read import INDEX, SINGLE
from lwm_trainer.convert.names import Leaf, leaves
from lwm_trainer.convert.step_folder import StepFolder
from lwm_trainer.convert.transposed import transposed_into

TensorPart = tuple[Leaf, int]
"""A parameter and a layer: one tensor."""


def write_folder(
    step: StepFolder, described: Described, out: epath.Path, dtype: Any, shard_bytes: int, tell: Callable[[int], None]
) -> None:
    """config.json, safetensors and, for more than one, their index; `config.json` comes last, so that half a folder is none."""
    shards = plan(leaves(described.model), dtype.itemsize, shard_bytes)
    out.mkdir(parents=True, exist_ok=True)
    names = [SINGLE] if len(shards) == 1 else [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    for file, pieces in zip(names, shards, strict=True):
        tensors = _tensors(step, pieces, dtype)
        (out / file).write_bytes(save(tensors, metadata={"format": "pt"}))
        tell(sum(each.nbytes for each in tensors.values()))
    if len(shards) > 1:
        parameters = sum(_count(leaf) for pieces in shards for leaf, _ in pieces)
        where = {leaf.name(layer): file for file, pieces in zip(names, shards, strict=True) for leaf, layer in pieces}
        index = {"metadata": {"total_size": parameters * dtype.itemsize, "total_parameters": parameters}, "weight_map": where}
        (out / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    (out / "config.json").write_text(json.dumps(write_config(described, str(dtype)), indent=2) + "\n")


def _tensors(step: StepFolder, pieces: list[TensorPart], dtype: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Of one shard, by name. The layers of one parameter that it has follow each other, and are read at once."""
    found: dict[str, np.ndarray[Any, Any]] = {}
    for leaf in dict.fromkeys(leaf for leaf, _ in pieces):
        own = [layer for other, layer in pieces if other == leaf]
        read = step.layer(leaf, slice(own[0], own[-1] + 1))
        for layer, part in zip(own, [read] if leaf.layers is None else read, strict=True):
            found[leaf.name(layer)] = theirs(leaf, part, dtype)
    return found


def write_tokenizer(tokenizer: epath.Path, out: epath.Path) -> None:
    (out / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}) + "\n")


def theirs(leaf: Leaf, ours: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """One layer's tensor in their axes. safetensors writes the bytes of a transposed array as they lie, under the shape as it seems."""
    if not leaf.kernel:
        return ours.astype(dtype)
    columns, rows = leaf.their_shape
    turned = np.empty((columns, rows), dtype)
    transposed_into(turned, ours.reshape(rows, columns).T)
    return turned


def plan(parameters: list[Leaf], itemsize: int, shard_bytes: int) -> list[list[TensorPart]]:
    """The tensors of each shard, layer after layer; a tensor larger than a shard has one to itself."""
    pieces = [(leaf, 0) for leaf in parameters if leaf.layers is None]
    stacked = [leaf for leaf in parameters if leaf.layers is not None]
    pieces += [(leaf, layer) for layer in range(stacked[0].layers or 0) for leaf in stacked]
    shards: list[list[TensorPart]] = [[]]
    room = shard_bytes
    for leaf, layer in pieces:
        size = _count(leaf) * itemsize
        if size > room and shards[-1]:
            shards.append([])
            room = shard_bytes
        shards[-1].append((leaf, layer))
        room -= size
    return shards


def _count(leaf: Leaf) -> int:
    return int(np.prod(leaf.shape))
