"""The device mesh, and the one table that says which logical axis lies on which mesh axes."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lwm_trainer import config
from lwm_trainer.ring.axes import Axes

AXIS_NAMES = ("dp", "fsdp", "ring", "ulysses", "tp")
"""Outermost first: neighbours in `tp` sit on one host, neighbours in `dp` are farthest apart."""

ROW_AXES = ("dp", "fsdp")
RING_AXES = Axes(rows=ROW_AXES, ring="ring", ulysses="ulysses", heads="tp")

RULES: dict[str, str | tuple[str, ...] | None] = {
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
"""Of every [rows, tokens] array of a batch."""

STREAM = PartitionSpec(ROW_AXES, RING_AXES.tokens, None)
"""Of the stream between layers, [rows, tokens, width]."""


def make_mesh(mesh: config.Mesh) -> jax.sharding.Mesh:
    """All devices of all processes as dp x fsdp x ring x ulysses x tp, by process, then by device: a host's devices are neighbours.

    Raises ValueError when the product of the axes is not the number of devices.
    """
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    if len(devices) != mesh.size:
        raise ValueError(f"mesh: its product is {mesh.size}, but JAX sees {len(devices)} devices")
    shape = (mesh.dp, mesh.fsdp, mesh.ring, mesh.sp // mesh.ring, mesh.tp)
    return jax.sharding.Mesh(np.array(devices).reshape(shape), AXIS_NAMES, axis_types=(AxisType.Auto,) * len(shape))


def spec(axes: tuple[str, ...]) -> PartitionSpec:
    """The partition of an array with these logical axes. Raises ValueError for a name that RULES does not place."""
    unknown = [axis for axis in axes if axis not in RULES]
    if unknown:
        raise ValueError(f"logical axis {unknown[0]!r} has no place: add it to lwm_trainer.mesh.RULES")
    return PartitionSpec(*(RULES[axis] for axis in axes))


def shardings(mesh: jax.sharding.Mesh, logical_axes: Any) -> Any:
    """The tree of `NamedSharding`s for a tree of logical axes (tuples of names)."""
    return jax.tree.map(lambda axes: NamedSharding(mesh, spec(axes)), logical_axes, is_leaf=lambda leaf: isinstance(leaf, tuple))
