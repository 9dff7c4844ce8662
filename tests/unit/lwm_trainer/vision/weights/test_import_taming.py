"""Checkpoints of IBQ and LlamaGen: what their own modules computed (tests/vision/reference_relatives.py wrote it), and what is refused."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.weights.import_taming import read_taming
from lwm_trainer.vision.weights.taming_names import CODEBOOK, Scheme
from support.drawn_weights import drawn

REFERENCE = Path(__file__).parents[4] / "vision"
SIDE = 16
Tensors = dict[str, Any]


def tensors(scheme: Scheme) -> Tensors:
    shapes = json.loads((REFERENCE / scheme / "shapes.json").read_text())
    return {name: drawn(name, tuple(shape)) for name, shape in shapes.items()}


@pytest.mark.parametrize("scheme", ["ibq", "llamagen"])
def test_codes_and_pixels_are_those_of_the_project(scheme: Scheme, tmp_path: Path) -> None:
    save_file(tensors(scheme), tmp_path / "weights.safetensors")
    config, params = read_taming(tmp_path / "weights.safetensors", scheme, SIDE)
    with np.load(REFERENCE / scheme / "values.npz") as values:
        reference = dict(values)
    vectors = jax.jit(partial(vqgan.vectors, config))(params, reference["frames"].astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(vectors, reference["vectors"], atol=1e-5)
    np.testing.assert_array_equal(vqgan.quantise(config, params, vectors), reference["codes"])
    pixels = jax.jit(partial(vqgan.decode, config, dtype="float32"))(params, reference["codes"])
    np.testing.assert_allclose(pixels, reference["pixels"], atol=2e-5)
    assert len(np.unique(reference["codes"])) > 25
    assert np.abs(reference["pixels"]).max() > 0.5


def test_the_average_is_preferred_and_training_networks_are_left_out(tmp_path: Path) -> None:
    weights = tensors("ibq")
    averaged = {f"model_ema.{name.replace('.', '')}": value + 1 for name, value in weights.items()}
    others = {name: np.zeros(1, np.float32) for name in ("loss.discriminator.main.0.weight", "model_ema.decay")}
    save_file(weights | averaged | others, tmp_path / "weights.safetensors")
    _, params = read_taming(tmp_path / "weights.safetensors", "ibq", SIDE)
    np.testing.assert_array_equal(params["codebook"], weights[CODEBOOK] + 1)
    np.testing.assert_array_equal(params["encoder"]["conv_in"]["bias"], weights["encoder.conv_in.bias"] + 1)


def edit(**changes: Any) -> Callable[[Tensors], Tensors]:
    return lambda weights: {name: value for name, value in (weights | changes).items() if value is not None}


BROKEN: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "a missing tensor": (edit(**{"decoder.up.0.block.1.conv2.bias": None}), "tensor decoder.up.0.block.1.conv2.bias is missing"),
    "no codebook": (edit(**{CODEBOOK: None}), f"tensor {CODEBOOK} is missing: is this the tokenizer of ibq"),
    "an unknown tensor": (
        edit(**{"encoder.extra": np.zeros(1, np.float32)}),
        "tensor encoder.extra and 0 more do not belong to a tokenizer",
    ),
    "another shape": (
        edit(**{"quant_conv.bias": np.zeros(9, np.float32)}),
        r"tensor quant_conv.bias is \(9,\), but the others make it \(8,\)",
    ),
    "NaN": (edit(**{"quant_conv.bias": np.full(8, np.nan, np.float32)}), "tensor quant_conv.bias holds NaN"),
    "integers": (edit(**{"quant_conv.bias": np.zeros(8, np.int8)}), "quant_conv.bias is int8"),
    "channels": (edit(**{"encoder.conv_in.weight": np.zeros((7, 3, 3, 3), np.float32)}), "32 channels, no multiple of the first .* 7"),
    "LlamaGen's names": (lambda _: tensors("llamagen"), "is missing: is this the tokenizer of ibq"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_this_model_is_refused_by_name(name: str, tmp_path: Path) -> None:
    change, message = BROKEN[name]
    file = tmp_path / "weights.safetensors"
    save_file(change(tensors("ibq")), file)
    with pytest.raises(ConversionError, match=f"{file}: .*{message}"):
        read_taming(file, "ibq", SIDE)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    whole = REFERENCE / "amused" / "diffusion_pytorch_model.safetensors"
    (tmp_path / "cut.safetensors").write_bytes(whole.read_bytes()[:999])
    for file, message in (
        (tmp_path / "none.ckpt", "No such file"),
        (tmp_path / "cut.safetensors", "truncated or no safetensors file"),
        (REFERENCE / "lightning.ckpt", "tensor encoder.down.0.block.0.conv1.weight is missing"),
    ):
        with pytest.raises(ConversionError, match=message):
            read_taming(file, "ibq", SIDE)
