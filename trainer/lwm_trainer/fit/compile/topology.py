"""Descriptions of TPU devices that are not attached, for libtpu, the TPU compiler.

libtpu reads its environment once, when it is loaded; importing this module sets it and does not load libtpu.
"""

import os
from typing import Any

import numpy as np
from jax.experimental import topologies
from jax.sharding import AxisType, Mesh

from lwm_trainer import config
from lwm_trainer.config.accelerator_families import TPU_FAMILIES
from lwm_trainer.fit.compile.target import NO_LIBTPU
from lwm_trainer.parallel.mesh import AXIS_NAMES, arrange_devices

try:
    import libtpu
except ImportError as error:
    raise ImportError(NO_LIBTPU) from error

os.environ |= {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",  # nothing runs on a TPU, so processes cannot compete for one
    "TPU_ACCELERATOR_TYPE": "v5litepod-16",  # of the host that compiles, not of the target; any value works
    "TPU_LIBRARY_PATH": libtpu.get_library_path(),
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_WORKER_ID": "0",
}


def devices(topology: str, slices: int = 1) -> list[Any]:
    """Descriptions of the JAX devices of `slices` slices such as "v5p:2x2x1"."""
    name, shape = topology.split(":")
    family = TPU_FAMILIES[name]
    options: dict[str, Any] = {**family.libtpu_options, **({"num_slices": slices} if slices > 1 else {})}
    description = topologies.get_topology_desc(platform="tpu", topology_name=f"{family.libtpu_name}:{shape}", **options)
    return list(description.devices)


def mesh(topology: str, *, ring: int, ulysses: int = 1, tp: int = 1) -> Mesh:
    """A mesh of the trainer's axes over the devices of a slice, in libtpu's order; the remaining devices are data parallel."""
    return _mesh(np.array(devices(topology)).reshape(-1, 1, ring, ulysses, tp))


def mesh_of(axes: config.Mesh, slices: int, topology: str) -> Mesh:
    """The mesh that the trainer would make of the slices. Raises ValueError if the topology has another number of devices."""
    described = devices(topology, slices)
    if len(described) != axes.size:
        raise ValueError(f"mesh: its product is {axes.size}, but {slices} x {topology} has {len(described)} devices")
    return _mesh(arrange_devices(described, (axes.dp, axes.fsdp, axes.ring, axes.sp // axes.ring, axes.tp)))


def _mesh(array: Any) -> Mesh:
    return Mesh(array, AXIS_NAMES, axis_types=(AxisType.Auto,) * len(AXIS_NAMES))
