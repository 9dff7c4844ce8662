"""Models of random parameters, small enough to compile in seconds."""

import hashlib
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType

from lwm_trainer.checkpoint.manifest import ModelManifest
from lwm_trainer.config import Model
from lwm_trainer.convert.step_folder import write_step
from lwm_trainer.convert.streamed_save import StreamedArray
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import AXIS_NAMES, parameter_shardings
from support.byte_tokenizer import byte_tokenizer_json


def one_device_mesh() -> jax.sharding.Mesh:
    device = np.array(jax.devices()[:1]).reshape((1,) * len(AXIS_NAMES))
    return jax.sharding.Mesh(device, AXIS_NAMES, axis_types=(AxisType.Auto,) * len(AXIS_NAMES))


def random_params(model: Model, mesh: jax.sharding.Mesh, seed: int = 0) -> Any:
    """Parameters drawn by NumPy: a program that draws them takes longer to compile than all else in a test."""
    random = np.random.default_rng(seed)

    def one(shape: Any, sharding: Any) -> jax.Array:
        scale = 1.0 if len(shape.shape) < 2 else shape.shape[-2] ** -0.5
        values = random.standard_normal(shape.shape, dtype=np.float32) * scale
        placed: jax.Array = jax.device_put(values, sharding)
        return placed

    return jax.tree.map(one, llama.abstract(model), parameter_shardings(mesh, model))


def streamed(params: Any) -> Any:
    """The same parameters as `write_step` takes them."""

    def one(array: jax.Array, layers: int | None) -> StreamedArray:
        def read(layer: int) -> np.ndarray[Any, Any]:
            return np.asarray(array if layers is None else array[layer])

        return StreamedArray(shape=array.shape, dtype=array.dtype, layers=layers, read=read)

    return {
        "ends": jax.tree.map(lambda array: one(array, None), params["ends"]),
        "layers": jax.tree.map(lambda array: one(array, len(array)), params["layers"]),
    }


def write_random_model(folder: Path, model: Model, context_length: int) -> list[str]:
    """Write `folder`/1 with random parameters, and the tokenizer of bytes beside it; returns the words of a command that loads both."""
    text = byte_tokenizer_json()
    (folder / "tokenizer.json").write_text(text)
    sha = hashlib.sha256(text.encode()).hexdigest()
    manifest = ModelManifest(model=model, context_length=context_length, rope_theta=500.0, tokenizer_sha256=sha)
    write_step(str(folder / "1"), streamed(random_params(model, one_device_mesh())), manifest)
    return [str(folder / "1"), "--tokenizer", str(folder / "tokenizer.json")]
