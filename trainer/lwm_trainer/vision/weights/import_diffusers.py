"""Reads a folder of diffusers with a `VQModel`, such as `vqvae` of aMUSEd."""

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
import pydantic
from safetensors import SafetensorError
from safetensors.numpy import load

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.file_format import detect_format
from lwm_trainer.convert.strict_json import parse_object
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.tokenizer_file import match_tensors

WEIGHTS = "diffusion_pytorch_model.safetensors"
CLASS = "VQModel"
_DEFAULTS: dict[str, Any] = {
    "block_out_channels": [64],
    "layers_per_block": 1,
    "latent_channels": 3,
    "num_vq_embeddings": 256,
    "norm_num_groups": 32,
    "vq_embed_dim": None,
    "mid_block_add_attention": True,
}
"""Fields that decide the network, with diffusers' defaults."""
_REQUIRED = {"in_channels": (3, 3), "out_channels": (3, 3), "act_fn": ("silu", "silu"), "norm_type": ("group", "group")}
"""Fields with the only value that can be read, and their default."""
_BLOCKS = {
    "down_block_types": {"DownEncoderBlock2D": False, "AttnDownEncoderBlock2D": True},
    "up_block_types": {"UpDecoderBlock2D": False, "AttnUpDecoderBlock2D": True},
}
"""Whether a kind of block has attention."""


def read_diffusers(folder: Path, image_size: int) -> tuple[VqganConfig, vqgan.Params]:
    """Config and parameters.

    Args:
        image_size: pixels of a frame's side; diffusers' config.json does not say which one the weights were trained for.

    Raises ConversionError, which names the file, and the field or tensor.
    """
    config = _read_config(folder / "config.json", image_size)
    file = folder / WEIGHTS
    content = _read(file)
    try:
        return config, match_tensors(config, load(content))
    except SafetensorError as error:
        known = detect_format(content[:512])
        if known is not None and known.name != "a safetensors file":
            raise ConversionError(f"{file}: this is {known.name}: {known.fix}") from error
        raise ConversionError(f"{file}: truncated or no safetensors file ({error}): download it again") from error
    except ValueError as error:
        raise ConversionError(f"{file}: {error}: take the config.json and the weights of one {CLASS}") from error


def _read_config(file: Path, image_size: int) -> VqganConfig:
    content = parse_object(_read(file), file)
    if content.get("_class_name", CLASS) != CLASS:
        raise ConversionError(f"{file}: _class_name is {content['_class_name']}: only {CLASS} can be read")
    for field, (only, default) in _REQUIRED.items():
        if content.get(field, default) != only:
            raise ConversionError(f"{file}: {field} is {content[field]!r}: only {only!r} can be read")
    values = {field: content.get(field, default) for field, default in _DEFAULTS.items()}
    channels = values["block_out_channels"]
    if not isinstance(channels, list) or not channels or not all(type(each) is int and each > 0 for each in channels):
        raise ConversionError(f"{file}: block_out_channels is {channels!r}: give the channels of each level")
    # The channels of a level need not be multiples of the first level's.
    width = channels[0] if all(each % channels[0] == 0 for each in channels) else 1
    attended = [_attended(file, field, kinds, content, len(channels)) for field, kinds in _BLOCKS.items()]
    if attended[0] != attended[1][::-1]:
        raise ConversionError(f"{file}: down_block_types and up_block_types have attention at different resolutions: not supported")
    try:
        return VqganConfig(
            image_size=image_size,
            width=width,
            multipliers=tuple(each // width for each in channels),
            blocks=values["layers_per_block"],
            attention_resolutions=tuple(image_size >> level for level, has_attention in enumerate(attended[0]) if has_attention),
            mid_attention=values["mid_block_add_attention"],
            groups=values["norm_num_groups"],
            latent_width=values["latent_channels"],
            codebook_size=values["num_vq_embeddings"],
            codebook_width=values["latent_channels"] if values["vq_embed_dim"] is None else values["vq_embed_dim"],
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ConversionError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}: take the model's own config.json") from error


def _attended(file: Path, field: str, kinds: dict[str, bool], content: dict[str, Any], levels: int) -> list[bool]:
    """Whether the blocks of each level have attention, in the order of the field."""
    types = content.get(field, [next(iter(kinds))])
    if not isinstance(types, list) or len(types) != levels:
        raise ConversionError(f"{file}: {field} has not one kind for each of {levels} levels: take the model's own config.json")
    if unknown := [kind for kind in types if kind not in kinds]:
        raise ConversionError(f"{file}: {field} has {unknown[0]!r}: only {' and '.join(kinds)} can be read")
    return [kinds[kind] for kind in types]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the folder of a {CLASS} with config.json and {WEIGHTS}") from error
