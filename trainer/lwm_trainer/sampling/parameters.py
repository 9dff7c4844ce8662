"""Parameters in the form in which generation reads them: of the type that layers compute in, and each layer by itself."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import NamedSharding

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.parallel import mesh


def abstract_parameters(model: config.Model, device_mesh: jax.sharding.Mesh) -> llama.Params:
    """The tree that a checkpoint of a training is restored onto: shapes, dtypes and shardings."""
    shardings = mesh.parameter_shardings(device_mesh, model)
    return jax.tree.map(  # type: ignore[no-any-return]
        lambda shape, sharding: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding), llama.abstract(model), shardings
    )


def for_generation(model: config.Model, params: llama.Params, compute: config.NumberType = "float32") -> llama.Params:
    """The parameters of type `compute`, with a list of layers under "layers". The argument's arrays are deleted, one after the other.

    What a layer multiplies with is cast where it is used, so a cast before changes no result. Norms are computed in float32, and stay.
    """
    leaves, structure = jax.tree_util.tree_flatten_with_path(params["layers"])
    by_layer: list[list[Array]] = [[] for _ in range(model.layers)]
    for path, stacked in leaves:
        dtype = _dtype(compute, path)
        sharding = NamedSharding(stacked.sharding.mesh, jax.sharding.PartitionSpec(*tuple(stacked.sharding.spec)[1:]))
        split = jax.jit(partial(_split, dtype=dtype), out_shardings=[sharding] * model.layers)(stacked)
        for layer, array in zip(by_layer, split, strict=True):
            layer.append(array)
        stacked.delete()
    ends = {}
    for name, value in params["ends"].items():
        ends[name] = jax.tree_util.tree_map_with_path(lambda path, array: array.astype(_dtype(compute, path)), value)
    return {"ends": ends, "layers": [jax.tree.unflatten(structure, layer) for layer in by_layer]}


def _dtype(compute: config.NumberType, path: tuple[jax.tree_util.DictKey, ...]) -> jnp.dtype:
    """The dtype of a parameter; an embedding or head has no path of its own."""
    return jnp.dtype("float32" if path and path[-1].key == "scale" else compute)


def _split(stacked: Array, dtype: jnp.dtype) -> list[Array]:
    return list(stacked.astype(dtype))
