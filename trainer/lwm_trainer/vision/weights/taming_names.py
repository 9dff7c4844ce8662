"""The names of the tokenizer's parameters in checkpoints whose modules descend from taming-transformers: IBQ's and LlamaGen's."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lwm_trainer.vision.weights.parameter_names import Path

Scheme = Literal["ibq", "llamagen"]

_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias"}
_BLOCK = {"shortcut": "nin_shortcut", "query": "q", "key": "k", "value": "v", "output": "proj_out"}
_OUTSIDE = {"to_codebook": "quant_conv", "from_codebook": "post_quant_conv"}
CODEBOOK = "quantize.embedding.weight"
MIDDLE_ATTENTION = {"ibq": "encoder.mid.attn_1.q.weight", "llamagen": "encoder.mid.1.q.weight"}
"""A name that a model has only if attention stands in its middle."""


def level_prefix(scheme: Scheme, half: str, level: int, levels: int) -> str:
    """Where a level's parts lie.

    Args:
        level: ours; in the decoder 0 is the lowest resolution, as it is for LlamaGen, while IBQ counts from full resolution in both.
    """
    if scheme == "llamagen":
        return f"{half}.conv_blocks.{level}"
    return f"encoder.down.{level}" if half == "encoder" else f"decoder.up.{levels - 1 - level}"


def block_prefix(scheme: Scheme, kind: str, number: int) -> str:
    """A residual block or an attention ("blocks", "attentions") below its level."""
    names = {"blocks": "block", "attentions": "attn"} if scheme == "ibq" else {"blocks": "res", "attentions": "attn"}
    return f"{names[kind]}.{number}"


def taming_name(scheme: Scheme, path: Path, levels: int) -> str:
    """The name of a parameter of a model with this number of levels."""
    if path == ("codebook",):
        return CODEBOOK
    half, part, *rest = path
    leaf = _LEAVES[str(path[-1])]
    match part, *rest[:-1]:
        case ("to_codebook" | "from_codebook") as name, *_:
            return f"{_OUTSIDE[name]}.{leaf}"
        case "levels", int(level), "resize":
            resize = "downsample" if half == "encoder" else "upsample"
            return f"{level_prefix(scheme, str(half), level, levels)}.{resize}.conv.{leaf}"
        case "levels", int(level), str(kind), int(number), name:
            prefix = f"{level_prefix(scheme, str(half), level, levels)}.{block_prefix(scheme, kind, number)}"
            return f"{prefix}.{_BLOCK.get(str(name), name)}.{leaf}"
        case "middle", str(kind), int(number), name:
            place = _middle(scheme, kind, number)
            return f"{half}.mid.{place}.{_BLOCK.get(str(name), name)}.{leaf}"
        case _:
            return f"{half}.{part}.{leaf}"


def _middle(scheme: Scheme, kind: str, number: int) -> str:
    if scheme == "ibq":
        return f"{'block' if kind == 'blocks' else 'attn'}_{number + 1}"
    return str(2 * number if kind == "blocks" else 1)


def from_torch(path: Path, value: NDArray[Any]) -> NDArray[Any]:
    """A parameter in our axes: kernels [height, width, in, out] of [out, in, height, width]."""
    return np.ascontiguousarray(value.transpose(2, 3, 1, 0)) if path[-1] == "kernel" else np.ascontiguousarray(value)


def torch_shape(path: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in the checkpoint of a parameter of ours."""
    if path[-1] != "kernel":
        return shape
    height, width, inner, outer = shape
    return outer, inner, height, width
