"""Models of random parameters, small enough to compile in seconds."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType

from lwm_trainer.config import Model
from lwm_trainer.model import llama
from lwm_trainer.parallel.mesh import AXIS_NAMES, shardings


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

    return jax.tree.map(one, llama.abstract(model), shardings(mesh, llama.logical_axes(model)))
