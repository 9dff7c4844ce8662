"""Weights of diffusers: its codes and pixels, which tests/vision/reference.py wrote, and what is refused."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.tokenizer import encode_pixels
from lwm_trainer.vision.weights.import_diffusers import WEIGHTS, read_diffusers

REFERENCE = Path(__file__).parents[4] / "vision"
SIDE = 32


@pytest.mark.parametrize("name", ["amused", "attention"])
def test_codes_and_pixels_are_those_of_diffusers(name: str) -> None:
    config, params = read_diffusers(REFERENCE / name, SIDE)
    with np.load(REFERENCE / name / "values.npz") as values:
        reference = dict(values)
    vectors = jax.jit(partial(vqgan.vectors, config))(params, reference["frames"].astype(np.float32) / 127.5 - 1)
    codes = jax.jit(partial(encode_pixels, config))(params, reference["frames"])
    pixels = jax.jit(partial(vqgan.decode, config, dtype="float32"))(params, reference["codes"])
    np.testing.assert_allclose(vectors, reference["vectors"], atol=1e-5)
    np.testing.assert_array_equal(codes, reference["codes"])
    np.testing.assert_allclose(pixels, reference["pixels"], atol=2e-5)
    assert len(np.unique(reference["codes"])) > 30
    assert np.abs(reference["pixels"]).max() > 0.5


def edit_config(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return edit


def edit_weights(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return edit


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "another class": (edit_config(_class_name="AutoencoderKL"), "config.json: _class_name is AutoencoderKL: only VQModel"),
    "another norm": (edit_config(norm_type="spatial"), "config.json: norm_type is 'spatial'"),
    "another block": (edit_config(down_block_types=["DownBlock2D"] * 3), "down_block_types has 'DownBlock2D'"),
    "levels": (edit_config(up_block_types=["UpDecoderBlock2D"]), "up_block_types has not one kind for each of 3 levels"),
    "attention that the weights lack": (
        edit_config(mid_block_add_attention=True),
        f"{WEIGHTS}: tensor (en|de)coder.mid_block.attentions.0",
    ),
    "another codebook": (
        edit_config(num_vq_embeddings=65),
        r"tensor quantize.embedding.weight is \(64, 8\), but the config makes it \(65, 8\)",
    ),
    "a missing tensor": (edit_weights(lambda tensors: tensors.pop("quant_conv.bias")), "tensor quant_conv.bias is missing"),
    "an unknown tensor": (edit_weights(lambda tensors: tensors.update(ema=np.zeros(1, np.float32))), "tensor ema and 0 more do not belong"),
    "NaN": (edit_weights(lambda tensors: tensors["quant_conv.bias"].fill(np.nan)), "tensor quant_conv.bias holds NaN"),
    "integers": (edit_weights(lambda tensors: tensors.update({"quant_conv.bias": np.zeros(8, np.int8)})), "quant_conv.bias is int8"),
    "truncated": (lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:999]), "truncated or no safetensors"),
    "a pickle": (lambda folder: (folder / WEIGHTS).write_bytes(b"\x80\x04" + b"." * 600), "this is a pickle"),
    "no weights": (lambda folder: (folder / WEIGHTS).unlink(), "No such file or directory: give the folder of a VQModel"),
    "no config": (lambda folder: (folder / "config.json").unlink(), "config.json: No such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_this_model_is_refused_by_name(name: str, tmp_path: Path) -> None:
    damage, message = BROKEN[name]
    shutil.copytree(REFERENCE / "amused", tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ConversionError, match=message):
        read_diffusers(tmp_path / "model", SIDE)
