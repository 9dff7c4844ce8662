"""Our file of a vision tokenizer: safetensors with diffusers' names, and in its metadata the config, the frame recipe and a fingerprint."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
import numpy as np
import pydantic
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from lwm_trainer.data.errors import DataCorruptError
from lwm_trainer.data.records.source_files import WEIGHTS_SUFFIX
from lwm_trainer.storage.files import list_files, open_file
from lwm_trainer.storage.folder import folder
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.media.frame_recipe import FRAME_RECIPE
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.parameter_names import (
    Path,
    diffusers_name,
    diffusers_shape,
    flatten,
    from_diffusers,
    parameter_shapes,
    to_diffusers,
    unflatten,
)

CONFIG, FRAMES, FINGERPRINT, SOURCE = "lwm.config", "lwm.frames", "lwm.fingerprint", "lwm.source"
"""Keys of the metadata."""
FIX = "make it with `lwm vision train` or `lwm vision import`"


@dataclass(frozen=True)
class TokenizerFile:
    """What a file of a vision tokenizer holds."""

    config: VqganConfig
    params: vqgan.Params
    """float32."""
    fingerprint: str
    """64 hexadecimal digits: two files with the same make the same codes of the same pictures, on one platform."""
    source: str
    """Where the weights come from, for people."""


def fingerprint(config: VqganConfig, params: vqgan.Params) -> str:
    """SHA-256 of the weights, the config, and how pictures become frames."""
    digest = hashlib.sha256(json.dumps([config.model_dump(mode="json"), FRAME_RECIPE], sort_keys=True).encode())
    for path, value in flatten(params).items():
        array = np.ascontiguousarray(value, np.float32)
        digest.update(f"{diffusers_name(path)} {array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def write_tokenizer(uri: str, config: VqganConfig, params: vqgan.Params, source: str) -> str:
    """Write the file, whose name ends in .safetensors; returns its fingerprint. Raises the errors of storage."""
    parent, _, name = uri.rpartition("/")
    digest = fingerprint(config, params)
    tensors = {diffusers_name(path): to_diffusers(path, np.asarray(value, np.float32)) for path, value in flatten(params).items()}
    metadata = {CONFIG: config.model_dump_json(by_alias=True), FRAMES: json.dumps(FRAME_RECIPE), FINGERPRINT: digest, SOURCE: source}
    folder(parent).write(name, save(tensors, metadata | {"format": "pt"}))
    return digest


def read_tokenizer(uri: str) -> TokenizerFile:
    """Read a file that `write_tokenizer` wrote.

    Raises DataCorruptError for another file, one that is damaged, or one of another frame recipe, and the errors of storage.
    """
    listing = list_files(uri)
    if len(listing.entries) != 1 or not uri.endswith(listing.entries[0].name):
        raise DataCorruptError(f"{uri}: is a folder: name the {WEIGHTS_SUFFIX} file of a vision tokenizer")
    with open_file(listing, listing.entries[0]) as opened:
        content = opened.read()
    metadata = _metadata(uri, content)
    if CONFIG not in metadata:
        raise DataCorruptError(f"{uri}: has no {CONFIG} in its metadata, so it is no vision tokenizer: {FIX}")
    try:
        config, tensors = VqganConfig.model_validate_json(metadata[CONFIG]), load(content)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        raise DataCorruptError(f"{uri}: {CONFIG}: {'.'.join(map(str, first['loc']))}: {first['msg']}: {FIX}") from error
    except (SafetensorError, ValueError) as error:
        raise DataCorruptError(f"{uri}: truncated or no safetensors file ({error}): copy it again") from error
    if metadata.get(FRAMES) != json.dumps(FRAME_RECIPE):
        raise DataCorruptError(
            f"{uri}: was made for frames by {metadata.get(FRAMES)}, but this version makes them by {json.dumps(FRAME_RECIPE)}: use the"
            " version that made it, or import the weights again"
        )
    try:
        params = match_tensors(config, tensors)
    except ValueError as error:
        raise DataCorruptError(f"{uri}: {error}: copy it again") from error
    digest = fingerprint(config, params)
    if metadata.get(FINGERPRINT) != digest:
        raise DataCorruptError(f"{uri}: its fingerprint is {digest[:16]}, not {metadata.get(FINGERPRINT, 'there')[:16]}: copy it again")
    return TokenizerFile(config, params, digest, metadata.get(SOURCE, ""))


def match_tensors(config: VqganConfig, tensors: dict[str, NDArray[Any]]) -> vqgan.Params:
    """Tensors with diffusers' names as parameters in float32.

    Raises ValueError, which names the tensor, for one that is missing, has another shape, is not finite, or is not the model's.
    """
    shapes = parameter_shapes(config)
    flat: dict[Path, NDArray[np.float32]] = {}
    for path, shape in shapes.items():
        name, expected = diffusers_name(path), diffusers_shape(path, shape)
        if name not in tensors:
            raise ValueError(f"tensor {name} is missing")
        if tensors[name].shape != expected:
            raise ValueError(f"tensor {name} is {tensors[name].shape}, but the config makes it {expected}")
        flat[path] = from_diffusers(path, require_finite(name, tensors[name]))
    if extra := sorted(tensors.keys() - {diffusers_name(path) for path in shapes}):
        raise ValueError(f"tensor {extra[0]} and {len(extra) - 1} more do not belong to this model")
    return unflatten(flat)


def require_finite(name: str, value: NDArray[Any]) -> NDArray[np.float32]:
    """The tensor in float32. Raises ValueError for one that is no float, or holds NaN or infinity."""
    if value.dtype.name not in ("float32", "float16", "bfloat16"):
        raise ValueError(f"tensor {name} is {value.dtype}: only float32, float16 and bfloat16 can be read")
    array = value.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"tensor {name} holds NaN or infinity")
    return array


def _metadata(uri: str, content: bytes) -> dict[str, str]:
    """The metadata in the header of a safetensors file: eight bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata: dict[str, str] = header.get("__metadata__") or {}
    except (ValueError, AttributeError) as error:
        raise DataCorruptError(f"{uri}: no safetensors file, or a truncated one: {FIX}") from error
    return metadata
