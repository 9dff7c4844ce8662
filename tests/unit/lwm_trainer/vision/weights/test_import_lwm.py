"""LWM's file, written here in its layout by the names of its flax modules."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.import_lwm import read_lwm
from lwm_trainer.vision.weights.parameter_names import flatten

CONFIG = VqganConfig(image_size=8, width=4, multipliers=(1, 2), blocks=1, groups=2, latent_width=4, codebook_size=16, codebook_width=4)


def block(params: Any) -> dict[str, Any]:
    names = {"norm1": "GroupNorm_0", "conv1": "Conv_0", "norm2": "GroupNorm_1", "conv2": "Conv_1", "shortcut": "Conv_2"}
    return {names[name]: value for name, value in params.items()}


def lwm_tree(params: Any) -> dict[str, Any]:
    """The tree of flax modules in LWM's VQGAN: two levels, one residual block a level in the encoder and two in the decoder."""
    encoder, decoder = params["encoder"], params["decoder"]
    return {
        "encoder": {
            "Conv_0": encoder["conv_in"],
            "DownsamplingBlock_0": {
                "ResnetBlock_0": block(encoder["levels"][0]["blocks"][0]),
                "Downsample_0": {"Conv_0": encoder["levels"][0]["resize"]},
            },
            "DownsamplingBlock_1": {"ResnetBlock_0": block(encoder["levels"][1]["blocks"][0])},
            "MidBlock_0": {f"ResnetBlock_{number}": block(each) for number, each in encoder["middle"]["blocks"].items()},
            "GroupNorm_0": encoder["norm_out"],
            "Conv_1": encoder["conv_out"],
        },
        "quant_conv": encoder["to_codebook"],
        "quantize": {"embeddings": params["codebook"]},
        "post_quant_conv": decoder["from_codebook"],
        "decoder": {
            "Conv_0": decoder["conv_in"],
            "MidBlock_0": {f"ResnetBlock_{number}": block(each) for number, each in decoder["middle"]["blocks"].items()},
            "UpsamplingBlock_0": {
                **{f"ResnetBlock_{number}": block(each) for number, each in decoder["levels"][0]["blocks"].items()},
                "Upsample_0": {"Conv_0": decoder["levels"][0]["resize"]},
            },
            "UpsamplingBlock_1": {f"ResnetBlock_{number}": block(each) for number, each in decoder["levels"][1]["blocks"].items()},
            "GroupNorm_0": decoder["norm_out"],
            "Conv_1": decoder["conv_out"],
        },
    }


PARAMS = vqgan.init(CONFIG, 3)


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_the_parameters_are_those_of_the_file(protocol: int, tmp_path: Path) -> None:
    file = tmp_path / "vqgan"
    file.write_bytes(pickle.dumps(lwm_tree(PARAMS), protocol))
    ours, theirs = flatten(read_lwm(file, CONFIG)), flatten(PARAMS)
    assert ours.keys() == theirs.keys()
    for path, value in theirs.items():
        np.testing.assert_array_equal(ours[path], value)


def test_another_model_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "vqgan"
    tree = lwm_tree(PARAMS)
    file.write_bytes(pickle.dumps(tree | {"discriminator": {"Conv_0": {"kernel": np.zeros(1, np.float32)}}}))
    with pytest.raises(ConversionError, match="vqgan: discriminator/Conv_0/kernel and 0 more do not belong"):
        read_lwm(file, CONFIG)
    file.write_bytes(pickle.dumps(tree | {"quant_conv": {}}))
    with pytest.raises(ConversionError, match="has no quant_conv/"):
        read_lwm(file, CONFIG)
    file.write_bytes(pickle.dumps(tree))
    with pytest.raises(ConversionError, match=r"is \(.*\), but LWM's VQGAN has"):
        read_lwm(file, CONFIG.model_copy(update={"codebook_size": 8}))
