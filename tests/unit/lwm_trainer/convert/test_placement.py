"""A conversion onto eight devices: each callback reads what its device holds, and what lies on them is the whole."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from lwm_trainer.config import Mesh
from lwm_trainer.convert.config_json import read_config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.hf_read import HuggingFaceFolder
from lwm_trainer.convert.names import Parameter, model_parameters
from lwm_trainer.convert.placement import Index, load_parameters
from lwm_trainer.parallel.mesh import make_mesh
from unit.lwm_trainer.convert.test_round_trip import MODELS, tensors


class Counting:
    """A source that notes the bytes of each read."""

    def __init__(self, inner: HuggingFaceFolder) -> None:
        self.inner = inner
        self.reads: dict[str, list[int]] = {}

    def read(self, leaf: Parameter, layer: int, index: Index) -> np.ndarray[Any, Any]:
        part = self.inner.read(leaf, layer, index)
        self.reads.setdefault(leaf.name(layer), []).append(part.nbytes)
        return part

    def locate(self, leaf: Parameter, layer: int) -> str:
        return self.inner.locate(leaf, layer)


@pytest.mark.parametrize("mesh", [Mesh(fsdp=8), Mesh(fsdp=4, tp=2), Mesh(sp=4, tp=2), Mesh(dp=8)], ids=str)
def test_parameters_lie_as_a_training_has_them_and_no_read_is_larger_than_a_devices_part(mesh: Mesh) -> None:
    model = read_config(MODELS / "llama31" / "config.json").model
    source = Counting(HuggingFaceFolder(MODELS / "llama31"))
    params = load_parameters(model, source, make_mesh(mesh), "float32", lambda size: None)
    theirs = tensors(MODELS / "llama31")
    for leaf, array in zip(model_parameters(model), jax.tree.leaves(params), strict=True):
        for layer in range(leaf.layers or 1):
            ours = np.asarray(array if leaf.layers is None else array[layer])
            name = leaf.name(layer)
            want = theirs[name].T.reshape(leaf.shape) if leaf.kernel else theirs[name]
            np.testing.assert_array_equal(ours, want, err_msg=name)
            shard = array.addressable_shards[0].data.nbytes // (leaf.layers or 1)
            assert set(source.reads[name]) == {shard}, name
            assert (shard < theirs[name].nbytes) == (mesh.dp == 1 and "norm" not in name), name


def test_a_part_of_a_heads_channels_is_cut_right() -> None:
    model = read_config(MODELS / "llama31" / "config.json").model
    source = HuggingFaceFolder(MODELS / "llama31")
    for leaf in model_parameters(model):
        whole = source.read(leaf, 1, tuple(slice(0, size) for size in leaf.shape))
        index = tuple(slice(size // 4, size // 2) for size in leaf.shape)
        np.testing.assert_array_equal(source.read(leaf, 1, index), whole[index], err_msg=leaf.name(1))


@pytest.mark.parametrize("mesh", [Mesh(fsdp=8), Mesh(dp=8)], ids=str)
def test_values_that_are_not_finite_are_counted_in_the_whole_tensor(mesh: Mesh, tmp_path: Path) -> None:
    """Though each device reads a part: two of the three values lie in different parts of fsdp=8."""
    name = "model.layers.1.mlp.up_proj.weight"
    changed = tensors(MODELS / "llama31")
    changed[name][0, 0], changed[name][1, 31], changed[name][2, 5] = np.nan, np.inf, -np.inf
    save_file(changed, tmp_path / "model.safetensors")
    model = read_config(MODELS / "llama31" / "config.json").model
    with pytest.raises(ConversionError, match=rf"model.safetensors: tensor {name}: of 1280 values, 1 are NaN and 2 infinite"):
        load_parameters(model, HuggingFaceFolder(tmp_path), make_mesh(mesh), "bfloat16", lambda size: None)


def test_a_value_too_large_for_bfloat16_is_not_stored_as_infinite(tmp_path: Path) -> None:
    changed = tensors(MODELS / "llama31")
    changed["model.norm.weight"][3] = np.finfo(np.float32).max
    save_file(changed, tmp_path / "model.safetensors")
    model = read_config(MODELS / "llama31" / "config.json").model
    source, mesh = HuggingFaceFolder(tmp_path), make_mesh(Mesh(dp=8))
    load_parameters(model, source, mesh, "float32", lambda size: None)
    with pytest.raises(ConversionError, match=r"model\.norm\.weight: of 32 values, 0 are NaN and 1 infinite as bfloat16: convert with"):
        load_parameters(model, source, mesh, "bfloat16", lambda size: None)
