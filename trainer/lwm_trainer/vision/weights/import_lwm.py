"""Reads LWM's file of its VQGAN: a pickle of nested dicts of arrays, of which nothing but arrays is admitted."""

from pathlib import Path

import numpy as np

from lwm_trainer.convert.array_pickle import load_arrays
from lwm_trainer.convert.errors import ConversionError
from lwm_trainer.vision import vqgan
from lwm_trainer.vision.vqgan_config import VqganConfig
from lwm_trainer.vision.weights.parameter_names import lwm_name, parameter_shapes, unflatten
from lwm_trainer.vision.weights.tokenizer_file import require_finite


def read_lwm(file: Path, config: VqganConfig) -> vqgan.Params:
    """Parameters of a model with this config; LWM's own is the default config. Raises ConversionError, which names file and array."""
    arrays = load_arrays(file)
    names = {path: lwm_name(path) for path in parameter_shapes(config)}
    flat = {}
    for path, shape in parameter_shapes(config).items():
        name = names[path]
        if name not in arrays:
            raise ConversionError(f"{file}: has no {name}: is this the file of LWM's VQGAN?")
        if arrays[name].shape != shape:
            raise ConversionError(f"{file}: {name} is {arrays[name].shape}, but LWM's VQGAN has {shape}: take LWM's own file")
        try:
            flat[path] = np.ascontiguousarray(require_finite(name, arrays[name]))
        except ValueError as error:
            raise ConversionError(f"{file}: {error}: download it again") from error
    if extra := sorted(arrays.keys() - set(names.values())):
        raise ConversionError(f"{file}: {extra[0]} and {len(extra) - 1} more do not belong to LWM's VQGAN: take LWM's own file")
    return unflatten(flat)
