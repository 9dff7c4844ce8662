"""Reads a checkpoint of IBQ or LlamaGen: what torch.save wrote, or its tensors in a safetensors file. The sizes are its tensors'."""

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
import pydantic
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.file_format import SAFETENSORS, detect_format, read_head
from lwm_trainer.convert.torch_archive import TorchArchive
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import Quantiser, VqganConfig
from lwm_trainer.vision.weights.parameter_names import parameter_shapes, unflatten
from lwm_trainer.vision.weights.taming_names import (
    CODEBOOK,
    MIDDLE_ATTENTION,
    Scheme,
    block_prefix,
    from_torch,
    level_prefix,
    taming_name,
    torch_shape,
)
from lwm_trainer.vision.weights.tokenizer_file import require_finite

GROUPS = 32
"""Groups of the group norms, in both."""
QUANTISERS: dict[Scheme, Quantiser] = {"ibq": "product", "llamagen": "cosine"}
CONTENT_KEYS = {"ibq": ("state_dict",), "llamagen": ("ema", "model", "state_dict")}
"""Where the tensors lie in what torch.save wrote; of several, each project reads the first."""
EMA = "model_ema."
"""Before the names of IBQ's averaged weights, in which the dots are left out. Its results are of these."""
UNUSED = {"ibq": ("loss.", EMA), "llamagen": ("quantize.codebook_used",)}
"""How the names of tensors begin that training needs and the tokenizer does not: networks of losses, the average, a statistic."""


class _Tensor(NamedTuple):
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]


_Tensors = Mapping[str, _Tensor]


def read_taming(file: Path, scheme: Scheme, image_size: int) -> tuple[VqganConfig, vqgan.Params]:
    """Config and parameters of a checkpoint with the names of this scheme; of weights and their average, the average.

    Args:
        image_size: pixels of a frame's side; the checkpoint does not say which one the weights were trained for.

    Raises ConversionError, which names the file, and the tensor.
    """
    tensors = _open(file, scheme)
    try:
        config = _config(tensors, scheme, image_size)
    except (KeyError, ValueError) as error:
        raise ConversionError(f"{file}: {_reason(error)}: is this the tokenizer of {scheme}?") from error
    levels, flat = len(config.multipliers), {}
    shapes = parameter_shapes(config)
    for path, shape in shapes.items():
        name, expected = taming_name(scheme, path, levels), torch_shape(path, shape)
        if name not in tensors:
            raise ConversionError(f"{file}: tensor {name} is missing: is this the tokenizer of {scheme}?")
        averaged = EMA + name.replace(".", "")
        tensor = tensors.get(averaged, tensors[name])
        if tensor.shape != expected:
            raise ConversionError(f"{file}: tensor {name} is {tensor.shape}, but the others make it {expected}: download it again")
        try:
            flat[path] = from_torch(path, require_finite(name, tensor.read()))
        except (ValueError, SafetensorError) as error:
            raise ConversionError(f"{file}: {error}: download it again") from error
    known = {taming_name(scheme, path, levels) for path in shapes}
    if extra := sorted(name for name in tensors.keys() - known if not name.startswith(UNUSED[scheme])):
        raise ConversionError(f"{file}: tensor {extra[0]} and {len(extra) - 1} more do not belong to a tokenizer of {scheme}")
    return config, unflatten(flat)


def _open(file: Path, scheme: Scheme) -> _Tensors:
    try:
        known = detect_format(read_head(file))
    except OSError as error:
        raise ConversionError(f"{file}: {error.strerror}: give the file of the weights") from error
    if known != SAFETENSORS:
        archive = TorchArchive(file).tensors(*CONTENT_KEYS[scheme])
        return {name: _Tensor(tensor.shape, tensor.read) for name, tensor in archive.items()}
    try:
        opened: Any = safe_open(file, "numpy")
        names: list[str] = list(opened.keys())
        return {name: _Tensor(tuple(opened.get_slice(name).get_shape()), partial(opened.get_tensor, name)) for name in names}
    except SafetensorError as error:
        raise ConversionError(f"{file}: truncated or no safetensors file ({error}): download it again") from error


def _config(tensors: _Tensors, scheme: Scheme, image_size: int) -> VqganConfig:
    """The sizes that the tensors have. Raises KeyError for one that is missing, and ValueError for sizes that do not fit."""

    def count(half: str, level: int, kind: str, part: str) -> int:
        prefix = level_prefix(scheme, half, level, 0)
        return _count(tensors, lambda number: f"{prefix}.{block_prefix(scheme, kind, number)}.{part}.weight")

    def first_kernel(level: int) -> str:
        return f"{level_prefix(scheme, 'encoder', level, 0)}.{block_prefix(scheme, 'blocks', 0)}.conv1.weight"

    levels = _count(tensors, first_kernel)
    channels = [tensors[first_kernel(level)].shape[0] for level in range(max(levels, 1))]
    width = tensors["encoder.conv_in.weight"].shape[0]
    if uneven := [each for each in channels if each % width]:
        raise ValueError(f"a level of the encoder has {uneven[0]} channels, no multiple of the first convolution's {width}")
    codebook = tensors[CODEBOOK].shape
    try:
        return VqganConfig(
            image_size=image_size,
            width=width,
            multipliers=tuple(each // width for each in channels),
            blocks=count("encoder", 0, "blocks", "conv1"),
            attention_resolutions=tuple(image_size >> level for level in range(levels) if count("encoder", level, "attentions", "q")),
            mid_attention=MIDDLE_ATTENTION[scheme] in tensors,
            groups=GROUPS,
            latent_width=tensors["encoder.conv_out.weight"].shape[0],
            quantiser=QUANTISERS[scheme],
            codebook_size=codebook[0],
            codebook_width=codebook[1],
        )
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _count(tensors: _Tensors, name: Callable[[int], str]) -> int:
    """How many of these names are there, from 0."""
    return next(number for number in itertools.count() if name(number) not in tensors)


def _reason(error: Exception) -> str:
    return f"tensor {error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
