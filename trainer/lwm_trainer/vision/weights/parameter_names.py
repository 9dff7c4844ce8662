"""The names of the tokenizer's parameters in diffusers' files, which are ours too, and in LWM's."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig

Path = tuple[str | int, ...]
"""The keys of a parameter in the nested dict."""

_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_DIFFUSERS = {"norm": "group_norm", "query": "to_q", "key": "to_k", "value": "to_v", "output": "to_out.0", "shortcut": "conv_shortcut"}
_LINEAR = {"query", "key", "value", "output"}
"""1x1 convolutions that diffusers keeps as matrices [out, in]."""
_LWM_OUTER = {"conv_in": "Conv_0", "conv_out": "Conv_1", "norm_out": "GroupNorm_0"}
_LWM_BLOCK = {"norm1": "GroupNorm_0", "conv1": "Conv_0", "norm2": "GroupNorm_1", "conv2": "Conv_1", "shortcut": "Conv_2"}
_OUTSIDE = {"to_codebook": "quant_conv", "from_codebook": "post_quant_conv"}


def parameter_shapes(config: VqganConfig) -> dict[Path, tuple[int, ...]]:
    """Path and shape of each parameter, in the order of the tree."""
    return {path: tuple(leaf.shape) for path, leaf in flatten(vqgan.abstract(config)).items()}


def flatten(params: Mapping[Any, Any]) -> dict[Path, Any]:
    """The arrays of a nested dict by their paths."""
    flat: dict[Path, Any] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= {(key, *path): leaf for path, leaf in flatten(value).items()}
        else:
            flat[key,] = value
    return flat


def unflatten(flat: Mapping[Path, Any]) -> vqgan.Params:
    """The inverse of `flatten`."""
    params: dict[Any, Any] = {}
    for path, leaf in flat.items():
        inner = params
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = leaf
    return params


def diffusers_name(path: Path) -> str:
    """The name in a `VQModel` of diffusers."""
    if path == ("codebook",):
        return "quantize.embedding.weight"
    half, part, *rest = path
    leaf = _LEAVES[str(path[-1])]
    match part, *rest[:-1]:
        case ("to_codebook" | "from_codebook") as name, *_:
            return f"{_OUTSIDE[name]}.{leaf}"
        case "levels", level, "resize":
            blocks, resize = ("down_blocks", "downsamplers") if half == "encoder" else ("up_blocks", "upsamplers")
            return f"{half}.{blocks}.{level}.{resize}.0.conv.{leaf}"
        case "levels", level, kind, number, name:
            blocks = "down_blocks" if half == "encoder" else "up_blocks"
            return f"{half}.{blocks}.{level}.{_diffusers_inner(str(kind), number, str(name))}.{leaf}"
        case "middle", kind, number, name:
            return f"{half}.mid_block.{_diffusers_inner(str(kind), number, str(name))}.{leaf}"
        case "norm_out", *_:
            return f"{half}.conv_norm_out.{leaf}"
        case _:
            return f"{half}.{part}.{leaf}"


def _diffusers_inner(kind: str, number: str | int, name: str) -> str:
    return f"{'resnets' if kind == 'blocks' else kind}.{number}.{_DIFFUSERS.get(name, name)}"


def lwm_name(path: Path) -> str:
    """The name in LWM's file, with `/` between its keys. LWM's model has no attention."""
    if path == ("codebook",):
        return "quantize/embeddings"
    half, part, *rest = path
    leaf = path[-1]
    match part, *rest[:-1]:
        case ("to_codebook" | "from_codebook") as name, *_:
            return f"{_OUTSIDE[name]}/{leaf}"
        case "levels", level, "resize":
            block, resize = ("DownsamplingBlock", "Downsample_0") if half == "encoder" else ("UpsamplingBlock", "Upsample_0")
            return f"{half}/{block}_{level}/{resize}/Conv_0/{leaf}"
        case "levels", level, _, number, name:
            block = "DownsamplingBlock" if half == "encoder" else "UpsamplingBlock"
            return f"{half}/{block}_{level}/ResnetBlock_{number}/{_LWM_BLOCK[str(name)]}/{leaf}"
        case "middle", _, number, name:
            return f"{half}/MidBlock_0/ResnetBlock_{number}/{_LWM_BLOCK[str(name)]}/{leaf}"
        case _:
            return f"{half}/{_LWM_OUTER[str(part)]}/{leaf}"


def to_diffusers(path: Path, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """A parameter in the axes of diffusers: kernels [out, in, height, width], those of attention [out, in]."""
    if path[-1] != "kernel":
        return value
    if path[-2] in _LINEAR:
        return np.ascontiguousarray(value[0, 0].T)
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1))


def from_diffusers(path: Path, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `to_diffusers`."""
    if path[-1] != "kernel":
        return value
    if path[-2] in _LINEAR:
        return np.ascontiguousarray(value.T)[None, None]
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0))


def diffusers_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of `to_diffusers` of a parameter of this shape."""
    if path[-1] != "kernel":
        return shape
    height, width, inner, outer = shape
    return (outer, inner) if path[-2] in _LINEAR else (outer, inner, height, width)
