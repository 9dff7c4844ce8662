"""A Hugging Face folder of safetensors files, read slice by slice."""

from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
import numpy as np
from safetensors import SafetensorError, safe_open

from lwm_trainer import config
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.convert.file_format import SAFETENSORS, SAVE_AS_SAFETENSORS, detect_format, read_head
from lwm_trainer.convert.names import Parameter
from lwm_trainer.convert.placement import Index
from lwm_trainer.convert.strict_json import parse_object

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
VISION = "model.vision_embed_tokens.weight"
IGNORED = "rotary_emb.inv_freq"
"""Old files also hold the rotary frequencies, which follow from config.json."""
OTHER_FORMATS = {
    "*.bin": "a pickle of PyTorch",
    "*.pt": "a pickle of PyTorch",
    "*.pth": "a pickle of PyTorch, in Meta's layout",
    "*.gguf": "a GGUF file of llama.cpp",
    "*.msgpack": "Flax's msgpack",
    "*.h5": "an HDF5 file of TensorFlow",
    "streaming_*": "a file of LWM for `lwm convert from-lwm`",
}
"""What a folder may have instead of safetensors files, by a pattern of its name."""


class HuggingFaceFolder:
    """A folder whose files are opened, and read when a slice is asked for."""

    def __init__(self, folder: Path) -> None:
        """Open all files. Raises ConversionError for a file that cannot be opened."""
        self._files = {file: _open(folder / file) for file in _files(folder)}
        self._file_of = {name: folder / file for file, opened in self._files.items() for name in opened.keys()}  # noqa: SIM118
        self._folder = folder

    @property
    def vision_vocab_size(self) -> int | None:
        """Rows of the vision embedding; None when there is none."""
        return self._shape(VISION)[0] if VISION in self._file_of else None

    @property
    def stored_type(self) -> config.NumberType:
        """The smallest type of parameters that holds all tensors as they are."""
        return "bfloat16" if all(str(self._slice(name).get_dtype()) == "BF16" for name in self._file_of) else "float32"

    def check(self, parameters: list[Parameter], tied: bool) -> int:
        """Compare names and shapes with those of the model before anything is read; returns the bytes to read. Raises ConversionError."""
        expected = {each.name(layer): each.hf_shape for each in parameters for layer in range(each.layers or 1)}
        for name, shape in expected.items():
            if name not in self._file_of:
                raise ConversionError(f"{self._folder}: no file has tensor {name}: is every shard there, does config.json belong to it?")
            if self._shape(name) != shape:
                raise ConversionError(
                    f"{self._file_of[name]}: tensor {name} is {self._shape(name)}, but config.json makes it {shape}: "
                    "take the config.json that belongs to these files"
                )
        known = {*expected, "lm_head.weight"} if tied else {*expected}
        if extra := sorted(name for name in self._file_of if name not in known and not name.endswith(IGNORED)):
            raise ConversionError(
                f"{self._file_of[extra[0]]}: tensor {extra[0]} and {len(extra) - 1} more do not belong to this model: "
                "does config.json give too few layers, or are there biases or adapters? Merge or remove them"
            )
        return sum(int(np.prod(shape)) * self._itemsize(name) for name, shape in expected.items())

    def read(self, parameter: Parameter, layer: int, index: Index) -> np.ndarray[Any, Any]:
        """Read a part of a parameter, see `ParameterReader`."""
        tensor = self._slice(parameter.name(layer))
        if not parameter.kernel:
            return np.asarray(tensor[index])
        sides = index[: parameter.inputs], index[parameter.inputs :]
        sizes = parameter.shape[: parameter.inputs], parameter.shape[parameter.inputs :]
        (rows, row_shape), (columns, column_shape) = (_flat(*axes) for axes in zip(sides, sizes, strict=True))
        ours: np.ndarray[Any, Any] = tensor[columns, rows].T.reshape(*row_shape, *column_shape)
        rest = [slice(None) for _ in parameter.shape]
        for axis in (parameter.inputs - 1, len(parameter.shape) - 1):
            if axis not in (0, parameter.inputs):  # all channels of a head were read
                rest[axis] = index[axis]
        return ours[tuple(rest)]

    def locate(self, parameter: Parameter, layer: int) -> str:
        """The file and tensor, see `ParameterReader`."""
        name = parameter.name(layer)
        return f"{self._file_of[name]}: tensor {name}"

    def _slice(self, name: str) -> Any:
        return self._files[self._file_of[name].name].get_slice(name)

    def _shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._slice(name).get_shape())

    def _itemsize(self, name: str) -> int:
        kind = str(self._slice(name).get_dtype())
        if kind not in ("F32", "BF16", "F16"):
            raise ConversionError(
                f"{self._file_of[name]}: tensor {name} is {kind}: only F32, BF16 and F16 can be converted, not quantized ones"
            )
        return 4 if kind == "F32" else 2


def _flat(index: Index, sizes: tuple[int, ...]) -> tuple[slice, tuple[int, ...]]:
    """The slice of some axes when flattened, complete along all but the first, and its shape before flattening."""
    first = index[0]
    inner = sizes[1:]
    step = inner[0] if inner else 1
    return slice(first.start * step, first.stop * step), (first.stop - first.start, *inner)


def _files(folder: Path) -> list[str]:
    """Names of the safetensors files of a folder."""
    if not folder.is_dir():
        raise ConversionError(f"{folder}: {_not_a_folder(folder)}")
    if (folder / SINGLE).exists():
        return [SINGLE]
    file = folder / INDEX
    try:
        weight_map = parse_object(file.read_bytes(), file).get("weight_map")
    except FileNotFoundError as error:
        raise ConversionError(f"{folder}: has neither {SINGLE} nor {INDEX}{_other_format(folder)}") from error
    except OSError as error:
        raise ConversionError(f"{file}: cannot be read: {error.strerror}") from error
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(name, str) for name in weight_map.values()):
        raise ConversionError(f"{file}: has no weight_map from tensors to files: download it again")
    files = sorted(set(weight_map.values()))
    if outside := [name for name in files if Path(name).name != name]:
        raise ConversionError(f"{file}: weight_map names {outside[0]}, which lies outside the folder: take the model's own index")
    return files


def _not_a_folder(path: Path) -> str:
    """What is wrong with a path that is no folder, and the fix."""
    if not path.exists():
        return "not found: give the folder of a model in safetensors"
    known = detect_format(read_head(path))
    return "is a file" + (f", {known.name}" if known is not None else "") + ": give the folder of a model in safetensors"


def _other_format(folder: Path) -> str:
    """What the folder has instead of safetensors files, and the fix."""
    for pattern, name in OTHER_FORMATS.items():
        if others := sorted(folder.glob(pattern)):
            return f", but {others[0].name}, which is {name}: take the model's safetensors files, or {SAVE_AS_SAFETENSORS}"
    return ": give the folder of a model in safetensors"


def _open(file: Path) -> Any:
    try:
        head = read_head(file)
        return safe_open(file, "np")
    except FileNotFoundError as error:
        raise ConversionError(f"{file}: not found: download this shard") from error
    except OSError as error:
        raise ConversionError(f"{file}: cannot be read: {error.strerror or error}: is it a file that you may read?") from error
    except SafetensorError as error:
        known = detect_format(head)
        if known is not None and known is not SAFETENSORS:
            raise ConversionError(f"{file}: this is {known.name}: {known.fix}") from error
        raise ConversionError(f"{file}: truncated or no safetensors file ({error}): download it again") from error
