"""The device mesh, and the one table of rules that map logical axes to mesh axes.

The model names the logical axes of each parameter and nothing else. A name without a rule is an error, so that no parameter is replicated
by oversight. The shardings of batches and of the stream between layers are here, too. Code that runs per device (attention, the loss, a
layer's matrix products) gets the names of the axes by `RING_AXES`.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lwm_trainer import config
from lwm_trainer.model import llama
from lwm_trainer.ring.axes import Axes

AXIS_NAMES = ("dp", "fsdp", "ring", "ulysses", "tp")
"""Outermost first: neighbours in `tp` sit on one host, neighbours in `dp` are farthest apart."""

ROW_AXES = ("dp", "fsdp")
RING_AXES = Axes(rows=ROW_AXES, ring="ring", ulysses="ulysses", heads="tp")

Rules = dict[str, str | tuple[str, ...] | None]

RULES: Rules = {
    "embed": ("fsdp", "ring", "ulysses"),  # the ring's ranks are data-parallel to the parameters, so they share the shards
    "head_dim": None,
    "heads": "tp",
    "kv_heads": "tp",
    "layers": None,
    "mlp": "tp",
    "norm": None,
    "vocab": "tp",
}

TOKENS = PartitionSpec(ROW_AXES, RING_AXES.tokens)
"""Partition of every [rows, tokens] array of a batch."""

STREAM = PartitionSpec(ROW_AXES, RING_AXES.tokens, None)
"""Partition of the stream between layers, [rows, tokens, width]."""

TABLE = PartitionSpec(RULES["vocab"], None)
"""Partition of an embedding, [vocabulary, width], while tokens are looked up in it. Its width is not sharded then, because it would be over
the axes that shard tokens, and every device would hold all looked-up rows before they are sharded by tokens."""


def make_mesh(mesh: config.Mesh) -> jax.sharding.Mesh:
    """All devices of all processes as dp x fsdp x ring x ulysses x tp.

    Raises ValueError when the product of the axes is not the number of devices.
    """
    devices = jax.devices()
    if len(devices) != mesh.size:
        raise ValueError(f"mesh: its product is {mesh.size}, but JAX sees {len(devices)} devices")
    shape = (mesh.dp, mesh.fsdp, mesh.ring, mesh.sp // mesh.ring, mesh.tp)
    return jax.sharding.Mesh(arrange_devices(devices, shape), AXIS_NAMES, axis_types=(AxisType.Auto,) * len(shape))


def arrange_devices(devices: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The devices as an array of `shape`, whose first axis alone crosses TPU slices.

    By process, then by device: a host's devices are neighbours. Within a TPU slice as JAX's `mesh_utils` lays a mesh into the torus:
    the ring's hops become shorter, by up to half.
    """
    ordered = sorted(devices, key=lambda device: (getattr(device, "slice_index", 0), device.process_index, device.id))
    if ordered[0].platform != "tpu":
        return np.array(ordered).reshape(shape)
    slices = [list(devices) for _, devices in groupby(ordered, key=lambda device: getattr(device, "slice_index", 0))]
    inner = (shape[0] // len(slices), *shape[1:])
    return np.concatenate([mesh_utils.create_device_mesh(inner, devices, allow_split_physical_axes=True) for devices in slices])


def from_every_host(array: np.ndarray[Any, Any], sharding: NamedSharding) -> jax.Array:
    """The array on the mesh, of which every host has an equal copy. Hosts do not communicate."""
    placed: jax.Array
    if sharding.is_fully_addressable:
        placed = jax.device_put(array, sharding)
        return placed
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def spec(axes: tuple[str, ...], rules: Rules = RULES) -> PartitionSpec:
    """The partition of an array with these logical axes. Raises ValueError for a name that the rules do not place."""
    unknown = [axis for axis in axes if axis not in rules]
    if unknown:
        raise ValueError(f"logical axis {unknown[0]!r} has no place: add it to lwm_trainer.parallel.mesh.RULES")
    return PartitionSpec(*(rules[axis] for axis in axes))


def shardings(mesh: jax.sharding.Mesh, logical_axes: Any, rules: Rules = RULES) -> Any:
    """The tree of `NamedSharding`s for a tree of logical axes (tuples of names)."""
    return jax.tree.map(lambda axes: NamedSharding(mesh, spec(axes, rules)), logical_axes, is_leaf=lambda leaf: isinstance(leaf, tuple))


def parameter_shardings(mesh: jax.sharding.Mesh, model: config.Model) -> Any:
    """The shardings of a model's parameters, a tree like them.

    Where tp exceeds the key heads, every device of tp keeps the projections of all of them: see `config.key_head_copies`.
    """
    rules = RULES if config.key_head_copies(model, mesh.shape["tp"]) == 1 else RULES | {"kv_heads": None}
    return shardings(mesh, llama.logical_axes(model), rules)
